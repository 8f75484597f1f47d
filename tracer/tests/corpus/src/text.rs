//! Text in all its owners.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

crate::arguments! {
    str_plain: &'static str = "hello";
    str_empty: &'static str = "";
    str_escaped: &'static str = "a\"b\\c\n\t\u{7f}\u{200b}";
    str_unicode: &'static str = "Grüße, 世界 🦀";
    str_long: &'static str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    str_ref: &'static &'static str = &"twice";
    string: String = "owned".to_owned();
    string_empty: String = String::new();
    string_with_room: String = { let mut s = String::with_capacity(1000); s.push_str("roomy"); s };
    string_ref: &'static String = Box::leak(Box::new("leaked".to_owned()));
    string_mut: &'static mut String = Box::leak(Box::new("changed".to_owned()));
    box_str: Box<str> = "boxed".into();
    rc_str: Rc<str> = "counted".into();
    arc_str: Arc<str> = "shared".into();
    cow_borrowed: Cow<'static, str> = Cow::Borrowed("borrowed");
    cow_owned: Cow<'static, str> = Cow::Owned("owned".to_owned());
    cow_bytes: Cow<'static, [u8]> = Cow::Borrowed(&[1, 2, 3]);
    c_str: &'static CStr = c"from c";
    c_str_empty: &'static CStr = c"";
    c_string: CString = CString::new("for c").unwrap();
    os_str: &'static OsStr = OsStr::new("os");
    os_string: OsString = OsString::from("os owned");
    path: &'static Path = Path::new("/etc/passwd");
    path_buf: PathBuf = PathBuf::from("/usr/local/bin");
    box_path: Box<Path> = Path::new("boxed/path").into();
    arc_path: Arc<Path> = Path::new("shared/path").into();
    rc_os_str: Rc<OsStr> = OsStr::new("counted os").into();
    arc_c_str: Arc<CStr> = Arc::from(c"counted c");
    option_str: Option<&'static str> = Some("some");
    option_str_none: Option<&'static str> = None;
    option_string: Option<String> = Some("some owned".to_owned());
    option_string_none: Option<String> = None;
    result_str: Result<&'static str, u32> = Ok("fine");
    strs: &'static [&'static str] = &["a", "bb", "ccc"];
    array_of_str: [&'static str; 3] = ["x", "y", "z"];
    chars: Vec<char> = "héllo".chars().collect();
    bytes_slice: &'static [u8] = b"bytes";
    byte_array: &'static [u8; 4] = b"\x00\x01\xfe\xff";
}
