// Values of C++ and its standard library: the corpus that is compared with gdb's answers (see docs/values.md).
#include <array>
#include <atomic>
#include <chrono>
#include <complex>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>
#include "values.h"

using namespace std::string_literals;

namespace shop {
enum class Colour { Red, Green = 5, Blue };
enum class Small : unsigned char { Low = 1, High = 200 };
enum Plain { ONE = 1, TWO };
struct Point { int x, y; };
class Money {
public:
    explicit Money(long cents) : cents_(cents) {}
private:
    long cents_;
    [[maybe_unused]] char currency_[4] = "EUR";
};
struct Order {
    int id;
    std::string customer;
    std::vector<std::string> lines;
    std::optional<double> discount;
    Colour colour;
};
namespace { struct Hidden { int secret; }; }
template <typename T> struct Box { T content; static int count; };
template <typename T, int N> struct Fixed { T items[N]; };
}

struct Base { int base = 1; };
struct Left : Base { int left = 2; };
struct Empty {};
struct OfEmpty : Empty { int own = 3; };
struct Right { int right = 4; };
struct Both : Left, Right { int both = 5; };
struct Shape { virtual ~Shape() = default; virtual int sides() const { return sides_; } int sides_ = 0; };
struct Square : Shape { Square() { sides_ = 4; } int length = 7; };
struct Virtual { int shared = 10; };
struct First : virtual Virtual { int first = 11; };
struct Second : virtual Virtual { int second = 12; };
struct Diamond : First, Second { int last = 13; };
struct Node { int value; std::unique_ptr<Node> next; };
struct Reference { int &number; const std::string &text; };
struct Static { static int everywhere; int here = 1; };
int Static::everywhere = 2;
union Either { int whole; float part; };
struct Anonymous { int kind; union { int number; char letter; }; };
struct alignas(32) Wide { int content; };
struct Callable { int operator()(int n) const { return n + factor; } int factor; };

using Frames = std::chrono::duration<int, std::ratio<1, 60>>;
using Method = int (Callable::*)(int) const;
using Function = int(int);
KEEP int twice(int number) { return 2 * number; }

static int number = 42;
static std::string text = "a string";
static std::string long_text = "a string that is too long to lie in the object";
static shop::Point point{3, -4};
static std::vector<int> numbers{1, 2, 3};
static std::map<std::string, int> ages{{"ann", 31}, {"bob", 27}, {"cy", 5}};
static shop::Order order{7, "Ann", {"tea", "a rather long line of an order"}, 0.5, shop::Colour::Green};
static Square square;
static Diamond diamond;
static Both both;
static std::shared_ptr<int> shared = std::make_shared<int>(9);

static std::map<int, int> squares(int count) {
    std::map<int, int> made;
    for (int i = 0; i < count; ++i) made[(i * 7) % count] = i;
    return made;
}
template <typename T> static T filled(int count) {
    T made;
    for (int i = 0; i < count; ++i) made.insert(made.end(), i);
    return made;
}
static std::deque<long> turned() {
    auto made = filled<std::deque<long>>(100);
    for (int i = 0; i < 90; ++i) made.pop_front();
    for (int i = 0; i < 3; ++i) made.push_front(-i);
    return made;
}
static std::vector<bool> flags(int count) {
    std::vector<bool> made;
    for (int i = 0; i < count; ++i) made.push_back(i % 3 == 0);
    return made;
}
static Node chain() { return {1, std::make_unique<Node>(Node{2, std::make_unique<Node>(Node{3, nullptr})})}; }

#define TYPE(...) __VA_ARGS__
#define VALUES(V) \
    V(bool, bool, true) V(char, char, 'c') V(char16, char16_t, u'é') V(char32, char32_t, U'✓') V(wide_char, wchar_t, L'w') \
    V(int, int, -5) V(unsigned_long, unsigned long, 1UL << 63) \
    V(enum_class, shop::Colour, shop::Colour::Green) V(enum_class_small, shop::Small, shop::Small::High) \
    V(enum_class_unknown, shop::Colour, shop::Colour(77)) V(enum_plain, shop::Plain, shop::TWO) \
    V(struct, shop::Point, {1, 2}) V(class_private, shop::Money, shop::Money(995)) V(anonymous_namespace, shop::Hidden, {8}) \
    V(template, shop::Box<int>, {4}) V(template_of_template, TYPE(shop::Box<shop::Box<std::string>>), {{"boxed"}}) \
    V(template_number, TYPE(shop::Fixed<short, 3>), {{1, 2, 3}}) V(struct_with_static, Static, {}) \
    V(base, Left, {}) V(base_empty, OfEmpty, {}) V(bases, Both, {}) V(union, Either, {1}) V(anonymous_union, Anonymous, {1, {65}}) \
    V(aligned, Wide, {6}) V(functor, Callable, {3}) V(order, shop::Order, order) V(members_by_reference, Reference, {number, text}) \
    V(reference, int &, number) V(reference_const, const shop::Point &, point) V(reference_string, const std::string &, text) \
    V(reference_rvalue, shop::Point &&, std::move(point)) V(reference_vector, std::vector<int> &, numbers) \
    V(reference_map, TYPE(std::map<std::string, int> &), ages) V(reference_order, const shop::Order &, order) \
    V(pointer, shop::Point *, &point) V(pointer_string, std::string *, &text) V(pointer_order, const shop::Order *, &order) \
    V(pointer_vector, const std::vector<int> *, &numbers) V(pointer_null, shop::Order *, nullptr) V(pointer_bases, Both *, &both) \
    V(function_reference, Function &, twice) V(function_pointer, Function *, twice) V(std_function, std::function<Function>, twice) \
    V(std_function_empty, std::function<Function>, nullptr) \
    V(string, std::string, "short") V(string_empty, std::string, "") V(string_long, std::string, long_text) \
    V(string_with_nul, std::string, "a\0b"s) V(string_utf8, std::string, "grüße") V(u16string, std::u16string, u"größe ✓ 𝄞") \
    V(u32string, std::u32string, U"größe ✓") V(wstring, std::wstring, L"weit ✓") V(string_view, std::string_view, std::string_view(long_text).substr(2, 6)) \
    V(string_view_empty, std::string_view, {}) V(u16string_view, std::u16string_view, u"view") \
    V(vector, std::vector<int>, {1, -2, 3}) V(vector_empty, std::vector<int>, {}) V(vector_strings, std::vector<std::string>, {"a", long_text, ""}) \
    V(vector_bool, std::vector<bool>, flags(20)) V(vector_bool_empty, std::vector<bool>, {}) V(vector_bool_words, std::vector<bool>, flags(64)) \
    V(vector_points, std::vector<shop::Point>, {{1, 2}, {3, 4}}) V(vector_vectors, std::vector<std::vector<int>>, {{1}, {}, {2, 3}}) \
    V(vector_pairs, TYPE(std::vector<std::pair<int, std::string>>), {{1, "one"}, {2, "two"}}) V(vector_many, std::vector<short>, filled<std::vector<short>>(100)) \
    V(vector_pointers, std::vector<const char *>, {"x", "y"}) V(vector_orders, std::vector<shop::Order>, {order, order}) \
    V(vector_enums, std::vector<shop::Colour>, {shop::Colour::Red, shop::Colour::Blue}) V(vector_large, TYPE(std::vector<std::array<long, 30>>), TYPE(std::vector<std::array<long, 30>>(2))) \
    V(array, TYPE(std::array<int, 3>), {{4, 5, 6}}) V(array_strings, TYPE(std::array<std::string, 2>), {{"p", "q"}}) V(array_empty, TYPE(std::array<int, 0>), {}) \
    V(deque, std::deque<int>, {1, 2, 3}) V(deque_empty, std::deque<int>, {}) V(deque_turned, std::deque<long>, turned()) V(deque_strings, std::deque<std::string>, {"d", "e", "f"}) \
    V(deque_blocks, TYPE(std::deque<std::array<long, 30>>), TYPE(std::deque<std::array<long, 30>>(5))) V(deque_many, std::deque<long>, filled<std::deque<long>>(300)) \
    V(list, std::list<int>, {7, 8, 9}) V(list_empty, std::list<int>, {}) V(list_strings, std::list<std::string>, {"l", long_text}) V(list_many, std::list<int>, filled<std::list<int>>(40)) \
    V(list_aligned, std::list<Wide>, {{1}, {2}}) V(forward_list, std::forward_list<int>, {1, 2}) V(forward_list_empty, std::forward_list<int>, {}) \
    V(forward_list_strings, std::forward_list<std::string>, {"f", "g"}) V(forward_list_aligned, std::forward_list<Wide>, {{1}, {2}}) \
    V(map, TYPE(std::map<int, int>), {{2, 20}, {1, 10}, {3, 30}}) V(map_empty, TYPE(std::map<int, int>), {}) V(map_strings, TYPE(std::map<std::string, std::string>), {{"k", "v"}, {"long", long_text}}) \
    V(map_one, TYPE(std::map<int, bool>), {{1, true}}) V(map_many, TYPE(std::map<int, int>), squares(31)) V(map_too_many, TYPE(std::map<int, int>), squares(1000)) \
    V(map_vectors, TYPE(std::map<char, std::vector<int>>), {{1, {1}}, {2, {2, 2}}}) V(multimap, TYPE(std::multimap<int, std::string>), {{1, "a"}, {1, "b"}}) \
    V(set, std::set<int>, {5, 1, 3}) V(set_strings, std::set<std::string>, {"b", "a"}) V(multiset, std::multiset<int>, {1, 1, 2}) V(set_aligned, TYPE(std::map<long, Wide>), {{1, {2}}}) \
    V(unordered_map, TYPE(std::unordered_map<int, std::string>), {{1, "one"}, {2, "two"}}) V(unordered_map_strings, TYPE(std::unordered_map<std::string, double>), {{"pi", 3.14}}) \
    V(unordered_map_empty, TYPE(std::unordered_map<int, int>), {}) V(unordered_set, std::unordered_set<int>, {9, 8}) V(unordered_multimap, TYPE(std::unordered_multimap<int, int>), {{1, 1}, {1, 2}}) \
    V(unordered_multiset, std::unordered_multiset<std::string>, {"m", "m"}) \
    V(optional, std::optional<int>, 5) V(optional_empty, std::optional<int>, std::nullopt) V(optional_string, std::optional<std::string>, "present") \
    V(optional_string_empty, std::optional<std::string>, std::nullopt) V(optional_vector, std::optional<std::vector<int>>, std::vector<int>{1}) \
    V(variant_first, TYPE(std::variant<int, std::string>), 1) V(variant_second, TYPE(std::variant<int, std::string>), "text") \
    V(variant_monostate, TYPE(std::variant<std::monostate, double>), std::monostate{}) V(variant_third, TYPE(std::variant<char, shop::Point, std::vector<int>>), std::vector<int>{1, 2}) \
    V(tuple, TYPE(std::tuple<int, std::string, bool>), {1, "two", true}) V(tuple_empty, std::tuple<>, {}) V(tuple_one, std::tuple<long>, {9}) \
    V(tuple_of_empty, TYPE(std::tuple<int, Empty>), {1, {}}) V(pair, TYPE(std::pair<int, char>), {1, 'p'}) V(pair_strings, TYPE(std::pair<std::string, std::string>), {"a", "b"}) \
    V(unique_ptr, std::unique_ptr<int>, std::make_unique<int>(3)) V(unique_ptr_null, std::unique_ptr<int>, nullptr) V(unique_ptr_order, std::unique_ptr<shop::Order>, std::make_unique<shop::Order>(order)) \
    V(unique_ptr_chain, Node, chain()) V(shared_ptr, std::shared_ptr<int>, shared) V(shared_ptr_null, std::shared_ptr<int>, nullptr) \
    V(shared_ptr_string, std::shared_ptr<std::string>, std::make_shared<std::string>("shared")) V(weak_ptr, std::weak_ptr<int>, shared) \
    V(atomic, std::atomic<int> *, new std::atomic<int>(6)) V(atomic_bool, const std::atomic<bool> &, *new std::atomic<bool>(true)) V(atomic_pointer, std::atomic<int *> *, new std::atomic<int *>(&number)) \
    V(nanoseconds, std::chrono::nanoseconds, std::chrono::nanoseconds(1500)) V(milliseconds, std::chrono::milliseconds, std::chrono::milliseconds(250)) V(hours, std::chrono::hours, std::chrono::hours(3)) \
    V(ratio, Frames, Frames(2)) V(time_point, std::chrono::system_clock::time_point, std::chrono::system_clock::time_point(std::chrono::seconds(5))) \
    V(reference_wrapper, std::reference_wrapper<int>, number) V(complex, std::complex<float> *, new std::complex<float>(1, 2)) \
    V(nested, TYPE(std::map<std::string, std::vector<std::optional<int>>>), {{"a", {1, std::nullopt}}, {"b", {}}}) \
    V(nested_tuple, TYPE(std::vector<std::tuple<int, std::string>>), {{1, "x"}, {2, "y"}}) V(nested_variant, TYPE(std::vector<std::variant<int, std::string>>), {1, "s"}) \
    V(nested_shared, TYPE(std::vector<std::shared_ptr<shop::Point>>), {std::make_shared<shop::Point>(point), nullptr}) \
    V(polymorphic, Square &, square) V(polymorphic_base, Shape &, square) V(polymorphic_pointer, const Shape *, &square) V(member, int shop::Point::*, &shop::Point::y) \
    V(member_null, int shop::Point::*, nullptr) V(member_function, Method, &Callable::operator()) V(member_function_null, Method, nullptr) V(virtual_base, Diamond &, diamond) \
    V(virtual_base_of_part, Second *, &diamond)

VALUES(GIVE_AND_TAKE)
MAIN(VALUES)
