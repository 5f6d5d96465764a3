//! The trees of path segments, one for each host pattern, in one arena; and the walk through one of them.
//!
//! A node stands for the beginning of patterns: each child adds a literal, a constraint or a parameter. [`super::plant`]
//! makes them.
//!
//! **Cost.** A walk follows every pattern the path could still match, at most one literal child, one parameter
//! child and the constrained children of each node, and leaves out subtrees whose best entry cannot beat what is found.
//! For common configurations this is one node for each segment. In the worst case (literal and parameter at every level,
//! and nothing found) it is 2^depth, but never more than the patterns have segments together, since every node is
//! visited at most once; finding all patterns with wildcards that match is the partial match problem, for
//! which no structure of linear size is known to do better. Different regexes at the same place are all tried, each once.
//! Recursion is as deep as the longest pattern: at most `MAX_SEGMENTS`, whatever the path.
//!
//! A lookup among many routes is mostly waiting for memory. Hence: a node is one cache line; where patterns no longer branch, the
//! rest of them is a list of steps, and equal lists and texts are stored once; an only child is not looked up in the table.

use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::ops::Range;

use hashbrown::HashTable;
use meta::pattern::Constraint;

use super::segments::Segments;

/// The rank no entry has.
const NO_RANK: u32 = u32::MAX;

/// All trees.
#[derive(Debug)]
pub(super) struct Tree {
    /// The first is no node, so that ids are not zero.
    pub(super) nodes: Vec<Node>,
    /// The places of all entries; those of one node lie together, sorted by rank.
    pub(super) leaves: Vec<Leaf>,
    /// The steps of all suffixes.
    pub(super) steps: Vec<Step>,
    /// The texts of all literals.
    pub(super) texts: Vec<u8>,
    /// The literal children of all nodes that have several, by parent and text.
    pub(super) literals: HashTable<NodeId>,
    pub(super) hasher: foldhash::fast::RandomState,
}

/// The index of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) NonZeroU32);

/// What a pattern asks of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// To be the text that stands there among the texts.
    Literal(Range<u32>),
    Constrained(Constraint),
    Parameter,
    Tail,
}

/// The beginning of patterns.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Node {
    /// The best rank in this subtree.
    pub(super) min_rank: u32,
    pub(super) parent: Option<NodeId>,
    /// Where among the texts stands what a literal child adds to its parent.
    pub(super) text: Range<u32>,
    pub(super) literals: Literals,
    pub(super) parameter: Option<NodeId>,
    pub(super) tail: Option<NodeId>,
    /// Which steps lead on to the node's entries; if there are any, the node has no children.
    pub(super) suffix: Range<u32>,
    /// Which leaves are the entries whose pattern ends here or behind the suffix; at a root, those without a pattern.
    pub(super) ends: Range<u32>,
    /// The first of the constrained children. They are linked by `sibling`, sorted by their best rank.
    pub(super) constrained: Option<NodeId>,
    pub(super) sibling: Option<NodeId>,
    /// What a constrained child asks of the segment.
    pub(super) constraint: Option<Constraint>,
}

/// The literal children of a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Literals {
    #[default]
    None,
    One(NodeId),
    /// They are in the table.
    Many,
}

/// The place of an entry in a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) rank: u32,
    pub(super) target: u32,
    /// The entry's methods as bits, to pass over it without looking at its target.
    pub(super) methods: u16,
}

impl Leaf {
    pub(super) fn target(&self) -> usize {
        self.target as usize
    }

    /// Whether any of these method bits is the entry's.
    pub(super) fn has_any(&self, methods: u16) -> bool {
        self.methods & methods != 0
    }
}

impl Tree {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0.get() as usize]
    }

    /// A text of a literal.
    pub(super) fn text(&self, text: &Range<u32>) -> &[u8] {
        &self.texts[text.start as usize..text.end as usize]
    }

    /// The steps of a suffix.
    pub(super) fn steps(&self, suffix: &Range<u32>) -> &[Step] {
        &self.steps[suffix.start as usize..suffix.end as usize]
    }

    /// The constrained children of a node.
    pub(super) fn constrained(&self, node: &Node) -> impl Iterator<Item = NodeId> {
        std::iter::successors(node.constrained, |child| self.node(*child).sibling)
    }

    /// The literal child of `parent` for a segment, whose text's hash is given too.
    pub(super) fn literal(&self, parent: NodeId, text: &[u8], text_hash: u64) -> Option<NodeId> {
        let is_it = |child: &NodeId| {
            let node = self.node(*child);
            node.parent == Some(parent) && self.text(&node.text) == text
        };
        match self.node(parent).literals {
            Literals::None => None,
            Literals::One(child) => is_it(&child).then_some(child),
            Literals::Many => self
                .literals
                .find(edge_hash(&self.hasher, Some(parent), text_hash), is_it)
                .copied(),
        }
    }
}

/// The hash by which the table finds a child.
pub(super) fn edge_hash(hasher: &foldhash::fast::RandomState, parent: Option<NodeId>, text_hash: u64) -> u64 {
    hasher.hash_one(u64::from(parent.map_or(0, |parent| parent.0.get())) ^ text_hash)
}

/// One lookup's way through the trees.
pub(super) struct Walk<'t, 'p, V> {
    tree: &'t Tree,
    segments: Segments<'p>,
    /// Only leaves of lower rank are still of interest.
    limit: u32,
    visit: V,
    visits: usize,
}

impl<'t, 'p, V: FnMut(&Leaf, &Segments<'p>) -> bool> Walk<'t, 'p, V> {
    /// Will show `visit` the leaves that match `path`; once it says yes to one, only those of lower rank.
    pub(super) fn new(tree: &'t Tree, path: &'p str, visit: V) -> Self {
        Walk {
            tree,
            segments: Segments::new(path),
            limit: NO_RANK,
            visit,
            visits: 0,
        }
    }

    /// Walks the tree of one host.
    pub(super) fn from(&mut self, root: NodeId) {
        if self.segments.get(0, &self.tree.hasher).is_some() {
            self.node(root, 0);
        }
        self.leaves(root);
    }

    /// How many nodes were visited so far.
    pub(super) fn visits(&self) -> usize {
        self.visits
    }

    /// Visits what begins with the first `depth` segments of the path, which lead to `id`.
    fn node(&mut self, id: NodeId, depth: usize) {
        let tree = self.tree;
        let node = tree.node(id);
        if node.min_rank >= self.limit {
            return;
        }
        self.visits += 1;
        if !node.suffix.is_empty() {
            if self.follows(tree.steps(&node.suffix), depth) {
                self.leaves(id);
            }
            return;
        }
        let Some((text, hash)) = self.segments.get(depth, &tree.hasher) else {
            return self.leaves(id);
        };
        if let Some(child) = tree.literal(id, text.as_bytes(), hash) {
            self.node(child, depth + 1);
        }
        for child in tree.constrained(node) {
            let Node {
                constraint: Some(constraint),
                min_rank,
                ..
            } = tree.node(child)
            else {
                continue;
            };
            if *min_rank < self.limit && constraint.matches(text) {
                self.node(child, depth + 1);
            }
        }
        if let Some(child) = node.parameter
            && !text.is_empty()
        {
            self.node(child, depth + 1);
        }
        if let Some(child) = node.tail {
            self.leaves(child);
        }
    }

    /// Whether the path behind `depth` segments takes all these steps and then ends.
    fn follows(&mut self, steps: &[Step], depth: usize) -> bool {
        let tree = self.tree;
        for (step, depth) in steps.iter().zip(depth..) {
            let Some((text, _)) = self.segments.get(depth, &tree.hasher) else {
                return false;
            };
            let is_match = match step {
                Step::Literal(literal) => tree.text(literal) == text.as_bytes(),
                Step::Constrained(constraint) => constraint.matches(text),
                Step::Parameter => !text.is_empty(),
                Step::Tail => return true,
            };
            if !is_match {
                return false;
            }
        }
        self.segments.get(depth + steps.len(), &tree.hasher).is_none()
    }

    /// Shows the entries of a node.
    fn leaves(&mut self, id: NodeId) {
        let ends = &self.tree.node(id).ends;
        for leaf in &self.tree.leaves[ends.start as usize..ends.end as usize] {
            if leaf.rank >= self.limit {
                return;
            }
            if (self.visit)(leaf, &self.segments) {
                self.limit = leaf.rank;
                return;
            }
        }
    }
}
