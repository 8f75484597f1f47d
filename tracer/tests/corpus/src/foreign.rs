//! Types of libraries that many programs use.

use arrayvec::{ArrayString, ArrayVec};
use bytes::{Bytes, BytesMut};
use indexmap::{IndexMap, IndexSet};
use serde_json::json;
use smallvec::SmallVec;
use uuid::Uuid;

fn shared_bytes() -> Bytes {
    let mut bytes = Bytes::from(vec![b'a'; 64]);
    bytes.split_to(60)
}

crate::arguments! {
    uuid: Uuid = Uuid::from_u128(0x67e5504410b1426f9247bb680e5fe0c8);
    uuid_option: Option<Uuid> = Some(Uuid::nil());
    bytes_static: Bytes = Bytes::from_static(b"static\n\x00\"\xff'");
    bytes_shared: Bytes = shared_bytes();
    bytes_empty: Bytes = Bytes::new();
    bytes_mut: BytesMut = BytesMut::from(&b"mutable"[..]);
    small_inline: SmallVec<[u32; 4]> = SmallVec::from_slice(&[1, 2]);
    small_spilled: SmallVec<[u32; 4]> = SmallVec::from_vec(vec![1, 2, 3, 4, 5, 6]);
    small_strings: SmallVec<[String; 2]> = SmallVec::from_vec(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]);
    small_strings_inline: SmallVec<[String; 2]> = { let mut vec = SmallVec::new(); vec.push("in".to_owned()); vec };
    array_vec: ArrayVec<u16, 5> = ArrayVec::from_iter([1, 2, 3]);
    array_vec_strings: ArrayVec<String, 3> = ArrayVec::from_iter(["x".to_owned(), "y".to_owned()]);
    array_string: ArrayString<16> = ArrayString::from("stacked").unwrap();
    index_map: IndexMap<String, u32> = IndexMap::from([("z".to_owned(), 1), ("a".to_owned(), 2)]);
    index_map_empty: IndexMap<u8, u8> = IndexMap::new();
    index_set: IndexSet<&'static str> = IndexSet::from(["q", "p"]);
    brown_map: hashbrown::HashMap<u32, String> = hashbrown::HashMap::from_iter([(1, "one".to_owned()), (2, "two".to_owned())]);
    brown_set: hashbrown::HashSet<u8> = hashbrown::HashSet::from_iter([4, 5]);
    ahash_map: ahash::AHashMap<u32, u32> = ahash::AHashMap::from_iter([(1, 2), (3, 4)]);
    ahash_std: std::collections::HashMap<u32, u32, ahash::RandomState> = std::collections::HashMap::from_iter([(5, 6)]);
    json_null: serde_json::Value = json!(null);
    json_bool: serde_json::Value = json!(true);
    json_number: serde_json::Value = json!(1);
    json_negative: serde_json::Value = json!(-7);
    json_float: serde_json::Value = json!(1.5);
    json_string: serde_json::Value = json!("text");
    json_array: serde_json::Value = json!([1, "two", null, [true]]);
    json_object: serde_json::Value = json!({"a": 1, "b": {"c": [1, 2, {"d": "deep"}]}, "e": []});
    json_ref: &'static serde_json::Value = Box::leak(Box::new(json!({"k": "v"})));
    json_map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(r#"{"x": 1}"#).unwrap();
    lot_mutex: parking_lot::Mutex<u32> = parking_lot::Mutex::new(5);
    lot_locked: parking_lot::Mutex<u32> = { let mutex = parking_lot::Mutex::new(5); std::mem::forget(mutex.lock()); mutex };
    lot_rw_lock: parking_lot::RwLock<String> = parking_lot::RwLock::new("rw".to_owned());
    chrono_date: chrono::NaiveDate = chrono::NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    chrono_date_early: chrono::NaiveDate = chrono::NaiveDate::from_ymd_opt(-44, 3, 15).unwrap();
    chrono_time: chrono::NaiveTime = chrono::NaiveTime::from_hms_milli_opt(1, 2, 3, 450).unwrap();
    chrono_naive: chrono::NaiveDateTime = chrono::NaiveDate::from_ymd_opt(2000, 1, 1).unwrap().and_hms_opt(23, 59, 59).unwrap();
    chrono_utc: chrono::DateTime<chrono::Utc> = chrono::DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap();
    chrono_fixed: chrono::DateTime<chrono::FixedOffset> = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap().with_timezone(&chrono::FixedOffset::east_opt(5400).unwrap());
    chrono_delta: chrono::TimeDelta = chrono::TimeDelta::milliseconds(-1500);
    chrono_weekday: chrono::Weekday = chrono::Weekday::Fri;
    time_time: time::Time = time::macros::time!(9:05:06.789);
    time_primitive: time::PrimitiveDateTime = time::macros::datetime!(2020 - 02 - 03 4:05);
    time_offset: time::OffsetDateTime = time::macros::datetime!(2020 - 02 - 03 4:05:06 +2);
    time_utc_offset: time::UtcOffset = time::macros::offset!(-3:30);
    time_duration: time::Duration = time::Duration::new(-90, -5);
    http_method: http::Method = http::Method::PATCH;
    http_status: http::StatusCode = http::StatusCode::NOT_FOUND;
    http_version: http::Version = http::Version::HTTP_11;
    http_value: http::HeaderValue = http::HeaderValue::from_static("a \"b\"");
}
