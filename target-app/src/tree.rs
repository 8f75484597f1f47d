//! A tree of the registry, and what makes one valid. Knows nothing of the actors.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Version 1; made up if a request leaves it out.
    #[serde(default = "new_uuid")]
    pub uuid: Uuid,
    /// In degrees, −90 to 90.
    pub latitude: f64,
    /// In degrees, −180 to 180.
    pub longitude: f64,
    /// Of the soil, 0 to 100 percent, if known.
    #[serde(default)]
    pub moisture: Option<u8>,
    #[serde(default)]
    pub specie: Specie,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Specie {
    Quercus,
    Tilia,
    Acer,
    Platanus,
    Aesculus,
    #[default]
    Unknown,
}

/// Why a tree is not one.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidTree {
    #[error("latitude {0} is not between -90 and 90 degrees")]
    Latitude(f64),
    #[error("longitude {0} is not between -180 and 180 degrees")]
    Longitude(f64),
    #[error("moisture {0} is not between 0 and 100 percent")]
    Moisture(u8),
}

impl Tree {
    /// A new tree somewhere on earth.
    pub fn random() -> Tree {
        use Specie::*;
        let species = [Quercus, Tilia, Acer, Platanus, Aesculus, Unknown];
        Tree {
            uuid: new_uuid(),
            latitude: fastrand::f64() * 180.0 - 90.0,
            longitude: fastrand::f64() * 360.0 - 180.0,
            moisture: fastrand::bool().then(|| fastrand::u8(0..=100)),
            specie: fastrand::choice(species).unwrap_or_default(),
        }
    }

    pub fn validate(&self) -> Result<(), InvalidTree> {
        if !(-90.0..=90.0).contains(&self.latitude) {
            return Err(InvalidTree::Latitude(self.latitude));
        }
        if !(-180.0..=180.0).contains(&self.longitude) {
            return Err(InvalidTree::Longitude(self.longitude));
        }
        match self.moisture {
            Some(percent) if percent > 100 => Err(InvalidTree::Moisture(percent)),
            _ => Ok(()),
        }
    }
}

fn new_uuid() -> Uuid {
    static NODE: OnceLock<[u8; 6]> = OnceLock::new();
    let node = NODE.get_or_init(|| {
        let mut node = [0; 6];
        fastrand::fill(&mut node);
        // RFC 9562, 6.10: a node that is not a network card's address has the multicast bit set.
        node[0] |= 1;
        node
    });
    Uuid::now_v1(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_trees_are_valid_and_differ() {
        let trees: Vec<Tree> = (0..100).map(|_| Tree::random()).collect();
        assert!(trees.iter().all(|tree| tree.validate().is_ok() && tree.uuid.get_version_num() == 1));
        assert!(trees.windows(2).all(|pair| pair[0].uuid != pair[1].uuid));
    }

    #[test]
    fn trees_off_the_earth_are_refused() {
        let tree = Tree { latitude: 90.5, ..Tree::random() };
        assert_eq!(tree.validate(), Err(InvalidTree::Latitude(90.5)));
        let tree = Tree { longitude: -181.0, ..Tree::random() };
        assert_eq!(tree.validate(), Err(InvalidTree::Longitude(-181.0)));
        let tree = Tree { latitude: f64::NAN, ..Tree::random() };
        assert!(tree.validate().is_err());
        let tree = Tree { moisture: Some(101), ..Tree::random() };
        assert_eq!(tree.validate(), Err(InvalidTree::Moisture(101)));
    }
}
