/* Calls a function as often per second as told, for some time: reads "calls-per-second milliseconds", answers with the
   number of calls that it made. Ends with its standard input. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static const int64_t slot_ns = 500000;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* Begins with `push rbx`, which the kernel emulates. */
__attribute__((noinline)) uint64_t observed(uint64_t number, uint32_t slot) {
    __asm__ volatile("" : "+r"(number) : "r"(slot) : "rbx");
    return number + 1;
}

int main(void) {
    double rate;
    long milliseconds;
    while (scanf("%lf %ld", &rate, &milliseconds) == 2) {
        int64_t start = now_ns(), end = start + milliseconds * 1000000, slot = start;
        uint64_t calls = 0;
        while (slot < end) {
            uint64_t due = (uint64_t)((double)(slot + slot_ns - start) / 1e9 * rate);
            while (calls < due && now_ns() < end)
                for (int call = 0; call < 16 && calls < due; call++)
                    calls = observed(calls, (uint32_t)(slot / slot_ns));
            slot += slot_ns;
            struct timespec until = {slot / 1000000000, slot % 1000000000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        }
        printf("%llu\n", (unsigned long long)calls);
        fflush(stdout);
    }
    return 0;
}
