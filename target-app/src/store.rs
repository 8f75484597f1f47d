//! The actor that keeps the trees, by uuid, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::actor::Inbox;
use crate::registry::Counters;
use crate::tree::Tree;

pub const NAME: &str = "Store";
pub const CAPACITY: usize = 64;

#[derive(Debug)]
pub enum StoreRequest {
    Save(Tree),
    Load(Uuid),
}

/// The tree that was saved or loaded.
pub type StoreReply = Result<Tree, NotFound>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tree {0} not found")]
pub struct NotFound(pub Uuid);

pub async fn run(mut inbox: Inbox<StoreRequest, StoreReply>, counters: Arc<Counters>) {
    let mut store = Store::default();
    counters.set_trees(0);
    while let Some((call, _handling)) = inbox.receive().await {
        let reply = store.handle_call(call.request);
        counters.set_trees(store.trees.len());
        call.reply_to.answer(reply);
    }
}

#[derive(Default)]
struct Store {
    trees: HashMap<Uuid, Tree>,
}

impl Store {
    #[cfg_attr(not(feature = "inlinable"), inline(never))]
    fn handle_call(&mut self, request: StoreRequest) -> StoreReply {
        match request {
            StoreRequest::Save(tree) => {
                self.save(tree.clone());
                Ok(tree)
            }
            StoreRequest::Load(uuid) => self.load(uuid),
        }
    }

    #[cfg_attr(not(feature = "inlinable"), inline(never))]
    fn save(&mut self, tree: Tree) {
        self.trees.insert(tree.uuid, tree);
    }

    #[cfg_attr(not(feature = "inlinable"), inline(never))]
    fn load(&self, uuid: Uuid) -> Result<Tree, NotFound> {
        self.trees.get(&uuid).cloned().ok_or(NotFound(uuid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_what_was_saved_last() {
        let mut store = Store::default();
        let tree = Tree::random();
        let moved = Tree { latitude: 1.5, ..tree.clone() };
        store.save(tree.clone());
        store.save(moved.clone());
        assert_eq!(store.load(tree.uuid), Ok(moved));
        assert_eq!(store.trees.len(), 1);
        let other = Tree::random().uuid;
        assert_eq!(store.load(other), Err(NotFound(other)));
    }
}
