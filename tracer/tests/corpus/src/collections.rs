//! The collections of the standard library.

use std::collections::*;
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::structs::Point;

type Fixed = BuildHasherDefault<DefaultHasher>;

fn ring() -> VecDeque<u32> {
    let mut ring = VecDeque::with_capacity(4);
    ring.extend(0..4);
    ring.drain(..2);
    ring.extend(4..6);
    ring
}

fn ring_of_strings() -> VecDeque<String> {
    let mut ring = VecDeque::with_capacity(4);
    ring.extend((0..4).map(|i| format!("old {i}")));
    ring.drain(..3);
    ring.extend((4..7).map(|i| format!("new {i}")));
    ring
}

fn squares<C: FromIterator<(u32, u32)>>(count: u32) -> C {
    (0..count).map(|i| (i, i * i)).collect()
}

fn named<C: FromIterator<(String, Vec<u8>)>>(count: u8) -> C {
    (0..count).map(|i| (format!("key {i}"), vec![i; usize::from(i)])).collect()
}

fn thinned() -> HashMap<u32, u32, Fixed> {
    let mut map: HashMap<u32, u32, Fixed> = squares(1000);
    map.retain(|key, _| key % 250 == 7);
    map
}

fn thinned_tree() -> BTreeMap<u32, u32> {
    let mut map: BTreeMap<u32, u32> = squares(400);
    map.retain(|key, _| key % 30 == 1);
    map
}

crate::arguments! {
    vec_u8: Vec<u8> = vec![1, 2, 3];
    vec_empty: Vec<u64> = vec![];
    vec_u32: Vec<u32> = (0..32).collect();
    vec_of_strings: Vec<String> = (0..20).map(|i| format!("item {i}")).collect();
    vec_of_str: Vec<&'static str> = vec!["a", "b"];
    vec_of_points: Vec<Point> = (0..10).map(|i| Point { x: i, y: -i }).collect();
    vec_of_vecs: Vec<Vec<u8>> = vec![vec![], vec![1], vec![2, 3]];
    vec_of_vecs_of_strings: Vec<Vec<String>> = vec![vec!["a".to_owned()], vec![], vec!["b".to_owned(), "c".to_owned()]];
    vec_of_options: Vec<Option<u32>> = vec![Some(1), None];
    vec_of_boxes: Vec<Box<u16>> = vec![Box::new(1), Box::new(2)];
    vec_of_units: Vec<()> = vec![(), (), ()];
    vec_of_tuples: Vec<(u8, String)> = vec![(1, "one".to_owned()), (2, "two".to_owned())];
    vec_of_bools: Vec<bool> = vec![true, false];
    vec_of_big: Vec<[u64; 20]> = vec![[1; 20], [2; 20], [3; 20]];
    vec_of_floats: Vec<f32> = vec![0.5, -1.0, 1e10];
    vec_ref: &'static Vec<u16> = Box::leak(Box::new(vec![7, 8]));
    vec_mut: &'static mut Vec<String> = Box::leak(Box::new(vec!["m".to_owned()]));
    slice_u64: &'static [u64] = &[1, 2, 3];
    slice_of_options: &'static [Option<&'static str>] = &[Some("x"), None];
    deque: VecDeque<u32> = (1..5).collect();
    deque_empty: VecDeque<String> = VecDeque::new();
    deque_wrapped: VecDeque<u32> = ring();
    deque_of_strings: VecDeque<String> = ring_of_strings();
    heap: BinaryHeap<u32> = BinaryHeap::from([3, 1, 4, 1, 5, 9, 2, 6]);
    heap_empty: BinaryHeap<String> = BinaryHeap::new();
    linked_list: LinkedList<u32> = LinkedList::from([1, 2, 3]);
    linked_list_empty: LinkedList<u8> = LinkedList::new();
    linked_list_of_strings: LinkedList<String> = LinkedList::from(["a".to_owned(), "b".to_owned()]);
    hash_map_empty: HashMap<u32, u32> = HashMap::new();
    hash_map_one: HashMap<u32, u32> = squares(1);
    hash_map: HashMap<u32, u32> = squares(10);
    hash_map_full: HashMap<u32, u32, Fixed> = squares(28);
    hash_map_thinned: HashMap<u32, u32, Fixed> = thinned();
    hash_map_roomy: HashMap<&'static str, u8> = { let mut map = HashMap::with_capacity(5000); map.insert("only", 1); map };
    hash_map_named: HashMap<String, Vec<u8>> = named(8);
    hash_map_of_maps: HashMap<String, HashMap<u8, bool>> = HashMap::from([("a".to_owned(), HashMap::from([(1, true)]))]);
    hash_map_bytes: HashMap<u8, u8> = (0..20).map(|i| (i, 255 - i)).collect();
    hash_map_ref: &'static HashMap<u64, String> = Box::leak(Box::new(HashMap::from([(5, "five".to_owned())])));
    hash_map_big: HashMap<u8, [u64; 8]> = HashMap::from([(1, [1; 8]), (2, [2; 8])]);
    hash_map_units: HashMap<u8, ()> = HashMap::from([(1, ())]);
    hash_set: HashSet<u32> = (0..5).collect();
    hash_set_of_strings: HashSet<String> = ["x", "y", "z"].map(str::to_owned).into();
    hash_set_empty: HashSet<String> = HashSet::new();
    btree_map_empty: BTreeMap<u8, u8> = BTreeMap::new();
    btree_map: BTreeMap<u32, u32> = squares(5);
    btree_map_leaf: BTreeMap<u32, u32> = squares(11);
    btree_map_two_levels: BTreeMap<u32, u32> = squares(30);
    btree_map_three_levels: BTreeMap<u32, u32> = squares::<Vec<_>>(400).into_iter().filter(|(key, _)| key % 13 == 0).collect::<BTreeMap<_, _>>();
    btree_map_thinned: BTreeMap<u32, u32> = thinned_tree();
    btree_map_named: BTreeMap<String, Vec<u8>> = named(6);
    btree_map_named_deep: BTreeMap<String, Vec<u8>> = named(25);
    btree_map_of_maps: BTreeMap<&'static str, BTreeMap<u8, String>> = BTreeMap::from([("a", BTreeMap::from([(1, "one".to_owned())])), ("b", BTreeMap::new())]);
    btree_map_mixed: BTreeMap<u8, u64> = BTreeMap::from([(1, 10), (2, 20)]);
    btree_map_ref: &'static BTreeMap<String, u8> = Box::leak(Box::new(BTreeMap::from([("k".to_owned(), 1)])));
    btree_set: BTreeSet<i16> = [-1, 5, 3].into();
    btree_set_of_strings: BTreeSet<String> = ["b", "a"].map(str::to_owned).into();
    btree_set_deep: BTreeSet<u64> = (0..31).collect();
}
