/* Calls a function about 100,000 times per second of its own CPU time, and tells every 10 ms how it got on.
   Ends with its standard input. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const int64_t call_ns = 10000;
static const int64_t slot_ns = 10000000;
static const long warm_up_turns = 1000000;

static int64_t now_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* A chain of multiplications: its time depends on nothing but the clock of the processor. */
__attribute__((noinline)) static uint64_t spin(uint64_t value, long turns) {
    for (long turn = 0; turn < turns; turn++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value));
    }
    return value;
}

/* Begins with `push rbp`, which the kernel emulates. */
__attribute__((noinline)) uint64_t observed(uint64_t value, long turns) {
    return spin(value, turns) + 1;
}

int main(void) {
    double turn_ns = 1e9;
    uint64_t value = 1;
    for (int attempt = 0; attempt < 20; attempt++) {
        int64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
        value = spin(value, warm_up_turns);
        double ns = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / warm_up_turns;
        if (ns < turn_ns)
            turn_ns = ns;
    }
    long turns = (long)(call_ns / turn_ns);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    while (poll(&input, 1, 0) == 0) {
        int64_t wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID), used;
        long calls = 0;
        do {
            for (int call = 0; call < 20; call++)
                value = observed(value, turns);
            calls += 20;
            used = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
        } while (used < slot_ns);
        printf("%lld %lld %lld %ld\n", (long long)wall, (long long)now_ns(CLOCK_MONOTONIC), (long long)used, calls);
        fflush(stdout);
    }
    return value == 0;
}
