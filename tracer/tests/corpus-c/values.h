// What both corpora do: for each `VALUE(name, type, value)` a function `give_name` returns the value and `take_name`
// takes it. Once told to go, the program calls all of them and says their names.
#include <stdio.h>

#define KEEP __attribute__((noipa))
#define GIVE_AND_TAKE(name, type, ...) \
    KEEP type give_##name(void) { return __VA_ARGS__; } \
    KEEP void take_##name(type value) { __asm__ volatile("" ::"r"(&value) : "memory"); taken(); }

// Where a debugger looks at what the caller took.
KEEP static void taken(void) { __asm__ volatile(""); }

#define NAME(name, type, ...) puts(#name);
#define CALL(name, type, ...) take_##name(give_##name());

#define MAIN(values) \
    int main(void) { \
        char command[8]; \
        puts("ready"); \
        fflush(stdout); \
        if (!fgets(command, sizeof command, stdin)) puts("no command"); \
        values(CALL) values(NAME) puts("end"); \
        fflush(stdout); \
        if (fgets(command, sizeof command, stdin)) puts("another command"); \
        return 0; \
    }
