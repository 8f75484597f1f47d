"""What gdb says of each value of the corpus, in the tracer's notation: run by gdb on a build without optimisation.

gdb's values and its pretty printers for libstdc++ are asked, never the memory behind them; this file only spells
their answers as docs/values.md has it. One line for each `take_NAME`: the name, a tab, the text. Addresses are `0x*`.
"""

import struct

import gdb

ITEMS_MAX = 32
POINTERS_MAX = 3


def quoted(text):
    escapes = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\0": "\\0"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def lazy_text(lazy):
    """The text of a printer that answers with a stretch of memory."""
    unit = lazy.type.strip_typedefs()
    unit = unit.target() if unit.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY) else unit
    if lazy.length == 0:
        return '""'
    data = bytes(gdb.selected_inferior().read_memory(lazy.address, lazy.length * unit.sizeof))
    return quoted(data.decode({1: "utf-8", 2: "utf-16-le", 4: "utf-32-le"}[unit.sizeof]))


def number(value, size):
    """The shortest decimal form, as Rust writes floats."""
    if size == 4:
        forms = (f"{value:.{digits}g}" for digits in range(1, 10))
        shown = next(form for form in forms if struct.pack("f", float(form)) == struct.pack("f", value))
    else:
        shown = repr(value)
    mantissa, _, exponent = shown.partition("e")
    if exponent:
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return mantissa if "." in mantissa else mantissa + ".0"


def listed(items, brackets):
    shown = items[:ITEMS_MAX]
    if len(items) > ITEMS_MAX:
        rest = len(items) - ITEMS_MAX
        shown = shown + [f"… (+{rest} item{'' if rest == 1 else 's'})"]
    return brackets[0] + ", ".join(shown) + brackets[1]


def short(name):
    return name.split("<")[0].split("::")[-1]


def function(value):
    """The name of the function at that address, without its parameters."""
    block = gdb.block_for_pc(int(value))
    name = block.function.name
    return name[: name.rindex("(")] if name.endswith(")") else name


def enumerated(value, ty):
    names = [(field.name.split("::")[-1], field.enumval) for field in ty.fields()]
    found = next((name for name, known in names if known == int(value)), None)
    if found:
        return found
    bits = [(name, known) for name, known in names if known > 0 and known & (known - 1) == 0]
    set_bits = [name for name, known in bits if int(value) & known]
    if len(bits) == len([known for _, known in names if known != 0]) and set_bits:
        rest = int(value) & ~sum(known for _, known in bits)
        return " | ".join(set_bits + ([hex(rest)] if rest else []))
    return str(int(value))


def pointer(value, ty, followed):
    target = ty.target().strip_typedefs()
    if target.code == gdb.TYPE_CODE_FUNC:
        return function(value) if int(value) else "0x0"
    if int(value) == 0:
        return "0x0"
    if target.code == gdb.TYPE_CODE_INT and target.name == "char" or str(target) == "const char":
        return quoted(value.string("utf-8"))
    if target.code == gdb.TYPE_CODE_VOID or target.sizeof == 0 or followed >= POINTERS_MAX:
        return "0x*"
    return "0x* &" + text(value.dereference(), followed + 1)


def array(value, ty, followed):
    low, high = ty.range()
    target = ty.target().strip_typedefs()
    if str(ty).endswith("[]"):
        return "[…]"
    if target.name == "char" or str(target) == "const char":
        data = bytes(int(value[i]) & 0xFF for i in range(low, high + 1))
        return quoted(data.split(b"\0")[0].decode("utf-8"))
    return listed([text(value[i], followed) for i in range(low, high + 1)], "[]")


def members(value, ty, followed):
    shown = []
    for field in ty.fields():
        if not hasattr(field, "bitpos") or (field.name or "").startswith("_vptr"):
            continue
        kind = field.type.strip_typedefs()
        if not field.name and kind.code == gdb.TYPE_CODE_STRUCT:
            shown += members(value[field], kind, followed)
        else:
            shown.append(f"{field.name or '_'}: {text(value[field], followed)}")
    return shown


def structure(value, ty, followed):
    kind = "union" if ty.code == gdb.TYPE_CODE_UNION else ""
    own = ty.name or value.type.unqualified().name
    name = " ".join(filter(None, [kind, short(own) if own else ""])) or "struct"
    shown = members(value, ty, followed)
    return f"{name} {{ {', '.join(shown)} }}" if shown else name


def library(value, ty, printer, followed):
    """A type that libstdc++'s printers know."""
    name = short(ty.name)
    hint = printer.display_hint() if hasattr(printer, "display_hint") else None
    if hint == "string":
        return lazy_text(printer.to_string())
    if name == "optional":
        return "nullopt" if printer.contained_value is None else f"optional({text(printer.contained_value, followed)})"
    if name == "variant":
        index = printer.to_string().split("[index ")[1].split("]")[0]
        content = text(printer.contained_value, followed)
        return content if content == "monostate" else f"variant#{index}({content})"
    children = list(printer.children()) if hasattr(printer, "children") else []
    inside = lambda deeper: [text(child, followed + deeper) for _, child in children]
    if name == "tuple":
        return "(" + ", ".join(inside(0)) + (",)" if len(children) == 1 else ")")
    if name in ("unique_ptr", "shared_ptr"):
        return text(children[0][1], followed) if children else "0x0"
    if name == "weak_ptr":
        return "(weak)"
    if hint == "map":
        flat = inside(1)
        return listed([f"{key}: {item}" for key, item in zip(flat[::2], flat[1::2])], "{}")
    if name.endswith("set"):
        return listed(inside(1), "{}")
    if name in ("vector", "deque", "list", "forward_list"):
        return listed(inside(1), "[]")
    return None


def unprinted(value, ty, followed):
    """Types of the standard library that gdb shows as they are built."""
    name = ty.name or ""
    if name.startswith("std::pair<"):
        return f"({text(value['first'], followed)}, {text(value['second'], followed)})"
    if name.startswith("std::array<"):
        elements = value["_M_elems"]
        return text(elements, followed) if elements.type.strip_typedefs().code == gdb.TYPE_CODE_ARRAY else "[]"
    if name.startswith("std::atomic<"):
        base = value
        while base.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            fields = [field for field in base.type.strip_typedefs().fields() if hasattr(field, "bitpos")]
            base = base[fields[0]]
        return text(base, followed)
    if name.startswith("std::chrono::duration<"):
        period = ty.template_argument(1).strip_typedefs()
        ratio = (int(period.template_argument(0)), int(period.template_argument(1)))
        units = {(1, 10**9): "ns", (1, 1000): "ms", (1, 1): "s", (3600, 1): "h"}
        return text(value["__r"], followed) + units.get(ratio, "[%d/%d]s" % ratio)
    if name.startswith("std::chrono::time_point<"):
        return text(value["__d"], followed)
    if name.startswith("std::complex<"):
        return text(value["_M_value"], followed)
    if name.startswith("std::reference_wrapper<"):
        return text(value["_M_data"], followed)
    if name.startswith("std::function<"):
        return f"function({function(value['_M_invoker'])})" if int(value["_M_manager"]) else "nullptr"
    if name == "std::monostate":
        return "monostate"
    return None


def member(value):
    """gdb names the member; of a function it also says where it is."""
    said = str(value)
    if said == "NULL":
        return "nullptr"
    if "<" in said:
        name = said.split("<", 1)[1]
        return "&" + name[: name.rindex("(")]
    return "&" + "::".join(said.removeprefix("&").split("::")[-2:])


def text(value, followed=0):
    if isinstance(value, bool):
        return "true" if value else "false"
    ty = value.type.strip_typedefs().unqualified()
    if ty.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        target = ty.target().strip_typedefs()
        if target.code == gdb.TYPE_CODE_FUNC:
            return function(value.referenced_value().address)
        return text(value.referenced_value(), followed + 1)
    if ty.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        printer = gdb.default_visualizer(value)
        known = library(value, ty, printer, followed) if printer else None
        known = known or unprinted(value, ty, followed)
        return known or structure(value, ty, followed)
    if ty.code == gdb.TYPE_CODE_PTR:
        return pointer(value, ty, followed)
    if ty.code in (gdb.TYPE_CODE_MEMBERPTR, gdb.TYPE_CODE_METHODPTR):
        return member(value)
    if ty.code == gdb.TYPE_CODE_ARRAY:
        return array(value, ty, followed)
    if ty.code == gdb.TYPE_CODE_ENUM:
        return enumerated(value, ty)
    if ty.code == gdb.TYPE_CODE_BOOL:
        return "true" if value else "false"
    if ty.code == gdb.TYPE_CODE_FLT:
        shown = str(value)
        return number(float(value), ty.sizeof) if ty.sizeof < 16 or len(shown) < 10 else shown
    if ty.code == gdb.TYPE_CODE_COMPLEX:
        real, sign, imaginary = str(value).removesuffix("i").split(" ")
        size, real, imaginary = ty.sizeof // 2, float(real), float(imaginary)
        sign = "-" if imaginary < 0 else sign
        return f"{number(real, size)} {sign} {number(abs(imaginary), size)}i"
    if ty.code == gdb.TYPE_CODE_CHAR and ty.name == "char32_t":
        return f"'{chr(int(value))}'"
    # gdb's Python has no numbers of 16 bytes.
    return str(value) if ty.sizeof > 8 else str(int(value))


gdb.execute("set pagination off")
gdb.execute("set print frame-arguments none")
gdb.Breakpoint("taken")
gdb.execute("run < /dev/null > /dev/null", to_string=True)
while gdb.selected_inferior().pid:
    frame = gdb.newest_frame().older()
    argument = next(symbol for symbol in frame.block() if symbol.is_argument)
    name = frame.function().name.split("(")[0].removeprefix("take_")
    print(name, text(argument.value(frame)), sep="\t", flush=True)
    gdb.execute("continue", to_string=True)
