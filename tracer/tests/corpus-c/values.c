// Values of C: the corpus that is compared with gdb's answers (see docs/values.md).
#include <complex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>
#include "values.h"

struct point { int x, y; };
struct nested { struct point from, to; char tag; };
struct named { char name[12]; const char *text; };
struct node { int value; struct node *next; };
struct tree { short key; struct tree *left, *right; };
struct tagged { int kind; union { int number; float real; char bytes[4]; }; };
struct inlined { int a; struct { int b, c; }; int d; };
struct deep { struct { struct { int inside; }; int beside; }; union { struct { short low, high; }; int both; }; };
struct bits { unsigned a : 3; int b : 5; unsigned long c : 40; bool d : 1; };
struct __attribute__((packed)) straddling { unsigned a : 7; unsigned b : 30; unsigned c : 3; int d : 32; };
struct __attribute__((packed)) packed { char a; int b; long c; };
struct signed_bits { signed a : 2, b : 9; unsigned : 0; unsigned c : 1; };
struct flexible { int count; int items[]; };
struct flexible_text { int count; char text[]; };
struct callbacks { int (*apply)(int); void (*done)(void); };
struct incomplete;
struct handle { struct incomplete *hidden; void *anything; };
struct matrix { double cells[2][3]; };
struct grid { char rows[2][4]; short planes[2][1][3]; };
struct many { const char *names[3]; int lengths[3]; };
struct big { long first[20]; const char *last; };
struct empty {};
struct holder { int before; struct empty nothing; int after; };
struct aligned { char a; _Alignas(16) long b; };
union number { int whole; float part; unsigned char raw[4]; };
enum colour { RED, GREEN = 5, BLUE };
enum negative { BELOW = -3, ABOVE = 3 };
enum wide { HUGE_ONE = 1ULL << 40 };
enum flags { READ = 1, WRITE = 2, EXECUTE = 4 };
struct enums { enum colour colour; enum flags flags; enum negative negative; };
typedef struct { int x; } typed;
typedef int (*operation)(int);
typedef int (*row)[3];
typedef int vector4 __attribute__((vector_size(16)));
typedef const struct point *point_pointer;
typedef enum { FIRST, SECOND } choice;

KEEP int twice(int number) { return 2 * number; }
static KEEP int thrice(int number) { return 3 * number; }
KEEP void nothing(void) {}

static struct point point = {3, -4};
static const struct point *to_point = &point;
static struct node last = {3, NULL}, middle = {2, &last}, first = {1, &middle};
static struct node fourth = {4, NULL}, third = {3, &fourth}, second = {2, &third}, long_first = {1, &second};
static struct node ring = {7, &ring};
static struct tree leaf = {1, NULL, NULL}, root = {2, &leaf, NULL};
static struct flexible flexible = {2, {10, 20}};
static struct flexible_text flexible_text = {3, "abc"};
static struct nested nested = {{1, 2}, {3, 4}, 'n'};
static struct big big = {{1, 2, 3}, "at the end"};
static struct many many = {{"one", "two", NULL}, {3, 3, 0}};
static int number = 42;
static int *to_number = &number;
static double real = 2.5;
static const char *words[] = {"alpha", "beta", NULL};
static const char *word = "word";
static char buffer[] = "in a buffer";
static union number of_union = {.whole = 0x40490fdb};
static struct callbacks calls = {twice, nothing};
static enum colour shade = BLUE;
static _Complex double turned = 1.5 - 2.0 * I;
static long double exact = 0.1L;

#define VALUES(V) \
    V(char, char, 'x') V(char_negative, char, -1) V(signed_char, signed char, -100) V(unsigned_char, unsigned char, 200) \
    V(short, short, -30000) V(unsigned_short, unsigned short, 60000) V(int, int, -70000) V(unsigned, unsigned, 4000000000u) \
    V(long, long, -(1L << 40)) V(unsigned_long, unsigned long, ~0UL) V(long_long, long long, -2) V(size, size_t, 77) \
    V(int128, __int128, -((__int128)1 << 100)) V(unsigned_int128, unsigned __int128, (unsigned __int128)5 << 70) \
    V(bool_true, bool, true) V(bool_false, _Bool, 0) V(int8, int8_t, -8) V(uint64, uint64_t, UINT64_MAX) V(wide_char, wchar_t, L'é') \
    V(float, float, 1.25f) V(double, double, -0.1) V(long_double, long double, 3.25L) V(complex, _Complex double, 1.0 + 2.0 * I) \
    V(enum, enum colour, GREEN) V(enum_zero, enum colour, RED) V(enum_unknown, enum colour, (enum colour)9) \
    V(enum_negative, enum negative, BELOW) V(enum_wide, enum wide, HUGE_ONE) V(flags, enum flags, READ | EXECUTE) \
    V(flags_rest, enum flags, (enum flags)(WRITE | 16)) V(enum_typedef, choice, SECOND) \
    V(struct, struct point, (struct point){1, -2}) V(struct_typed, typed, (typed){-9}) V(struct_nested, struct nested, (struct nested){{1, 2}, {3, 4}, 'z'}) \
    V(struct_text, struct named, (struct named){"name", "text"}) V(struct_text_full, struct named, (struct named){{'a','b','c','d','e','f','g','h','i','j','k','l'}, NULL}) \
    V(struct_empty_member, struct holder, (struct holder){1, {}, 2}) V(struct_aligned, struct aligned, (struct aligned){'a', -5}) \
    V(anonymous_union, struct tagged, (struct tagged){2, {0x3f800000}}) V(anonymous_struct, struct inlined, (struct inlined){1, {2, 3}, 4}) \
    V(anonymous_deep, struct deep, (struct deep){{{1}, 2}, {{3, 4}}}) V(bit_fields, struct bits, (struct bits){5, -6, 1UL << 39 | 7, true}) \
    V(bit_fields_straddling, struct straddling, (struct straddling){100, 1u << 29 | 5, 6, -77}) V(bit_fields_signed, struct signed_bits, (struct signed_bits){-2, 255, 1}) \
    V(packed, struct packed, (struct packed){'p', -1, 1L << 50}) V(union, union number, (union number){.whole = 1078530011}) V(matrix, struct matrix, (struct matrix){{{1, 2, 3}, {4, 5, 6.5}}}) \
    V(grid, struct grid, (struct grid){{"abc", "de"}, {{{1, 2, 3}}, {{4, 5, 6}}}}) V(strings, struct many, (struct many){{"one", "two", NULL}, {3, 3, 0}}) \
    V(large, struct big, (struct big){{1, 2, 3}, "behind"}) V(struct_enums, struct enums, (struct enums){BLUE, READ | WRITE, ABOVE}) \
    V(struct_functions, struct callbacks, (struct callbacks){twice, nothing}) V(struct_handle, struct handle, (struct handle){NULL, NULL}) V(struct_list, struct node, (struct node){0, &first}) \
    V(text, const char *, "hello") V(text_mutable, char *, buffer) V(text_empty, const char *, "") V(text_null, const char *, NULL) \
    V(text_utf8, const char *, "grüße ✓") V(text_escapes, const char *, "a\tb\n\"c\"") V(texts, const char **, words) V(text_pointer, const char **, &word) \
    V(pointer_null, int *, NULL) V(pointer_int, int *, &number) V(pointer_double, double *, &real) V(pointer_pointer, int **, &to_number) \
    V(pointer_const, const int *, &number) V(pointer_void, void *, NULL) V(pointer_struct, struct point *, &point) \
    V(pointer_typedef, point_pointer, &point) V(pointer_to_pointer, const struct point **, &to_point) V(pointer_list, struct node *, &first) \
    V(pointer_long_list, struct node *, &long_first) V(pointer_ring, struct node *, &ring) V(pointer_tree, struct tree *, &root) \
    V(pointer_nested, struct nested *, &nested) V(pointer_big, struct big *, &big) V(pointer_many, struct many *, &many) \
    V(pointer_union, union number *, &of_union) V(pointer_enum, enum colour *, &shade) V(pointer_complex, _Complex double *, &turned) \
    V(pointer_long_double, long double *, &exact) V(pointer_flexible, struct flexible *, &flexible) \
    V(pointer_flexible_text, struct flexible_text *, &flexible_text) V(pointer_incomplete, struct incomplete *, NULL) \
    V(pointer_callbacks, struct callbacks *, &calls) V(pointer_array, row, &many.lengths) V(function, operation, twice) \
    V(function_static, operation, thrice) V(function_null, operation, NULL)
VALUES(GIVE_AND_TAKE)
MAIN(VALUES)
