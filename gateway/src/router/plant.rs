//! Making the trees.
//!
//! Entries come by rising rank, so that a node's first entry is its best, and every list is sorted by itself. A pattern gets
//! nodes only as far as others share them, and the rest of it is its last node's suffix; when another pattern shares
//! more, the suffix moves one child down for each segment that both have.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::Range;

use hashbrown::HashTable;
use meta::pattern::{Constraint, PathPattern, Segment};

use super::segments::text_hash;
use super::tree::{Leaf, Literals, Node, NodeId, Step, Tree, edge_hash};

/// Trees to which entries are still added.
pub(super) struct Planter {
    tree: Tree,
    /// The entries of each node.
    leaves: Vec<Vec<Leaf>>,
    /// Where each text of a literal is stored.
    texts: HashMap<Box<str>, Range<u32>>,
    /// Where each suffix is stored.
    suffixes: HashMap<Box<[Step]>, Range<u32>>,
}

impl Planter {
    /// No tree yet.
    pub(super) fn new() -> Self {
        let tree = Tree {
            nodes: vec![Node::default()],
            leaves: Vec::new(),
            steps: Vec::new(),
            texts: Vec::new(),
            literals: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
        };
        Planter {
            tree,
            leaves: vec![Vec::new()],
            texts: HashMap::new(),
            suffixes: HashMap::new(),
        }
    }

    /// The root of another tree, whose first entry will have `rank`.
    pub(super) fn root(&mut self, rank: u32) -> NodeId {
        self.add_node(Node {
            min_rank: rank,
            ..Node::default()
        })
    }

    /// Adds an entry; ranks must rise from call to call.
    pub(super) fn add(&mut self, root: NodeId, pattern: Option<&PathPattern>, leaf: Leaf) {
        let segments = pattern.map_or(&[][..], |pattern| pattern.segments());
        let steps: Vec<Step> = segments.iter().map(|segment| self.step(segment)).collect();
        let mut node = root;
        let mut rest = &steps[..];
        while let [step, after @ ..] = rest {
            let known = self.tree.nodes.len();
            node = self.child(node, step, leaf.rank);
            rest = after;
            if self.tree.nodes.len() > known {
                self.node(node).suffix = self.suffix(rest);
            }
            if self.tree.steps(&self.tree.node(node).suffix) == rest {
                break;
            }
            self.branch(node);
        }
        self.leaves[index_of(node)].push(leaf);
    }

    /// The trees with all entries in their places.
    pub(super) fn finish(self) -> Tree {
        let mut tree = self.tree;
        for (node, leaves) in tree.nodes.iter_mut().zip(&self.leaves) {
            let start = position(tree.leaves.len());
            tree.leaves.extend_from_slice(leaves);
            node.ends = start..position(tree.leaves.len());
        }
        tree.nodes.shrink_to_fit();
        tree.leaves.shrink_to_fit();
        tree
    }

    /// Moves a node's suffix, if it has one, into a child, so that it can have other children.
    fn branch(&mut self, node: NodeId) {
        let Range { start, end } = std::mem::take(&mut self.node(node).suffix);
        let Some(step) = self.tree.steps(&(start..end)).first().cloned() else {
            return;
        };
        let child = self.child(node, &step, self.tree.node(node).min_rank);
        self.node(child).suffix = start + 1..end;
        self.leaves[index_of(child)] = std::mem::take(&mut self.leaves[index_of(node)]);
    }

    /// The child a step leads to, made if it is the first; then it has `rank`.
    fn child(&mut self, parent: NodeId, step: &Step, rank: u32) -> NodeId {
        let node = Node {
            min_rank: rank,
            parent: Some(parent),
            ..Node::default()
        };
        match step {
            Step::Literal(text) => self.literal_child(parent, text, node),
            Step::Constrained(constraint) => self.constrained_child(parent, constraint, node),
            Step::Parameter => self.only_child(parent, |parent| &mut parent.parameter, node),
            Step::Tail => self.only_child(parent, |parent| &mut parent.tail, node),
        }
    }

    fn literal_child(&mut self, parent: NodeId, text: &Range<u32>, node: Node) -> NodeId {
        let bytes = self.tree.text(text);
        if let Some(child) = self
            .tree
            .literal(parent, bytes, text_hash(&self.tree.hasher, bytes))
        {
            return child;
        }
        let child = self.add_node(Node {
            text: text.clone(),
            ..node
        });
        let literals = &mut self.node(parent).literals;
        match *literals {
            Literals::None => *literals = Literals::One(child),
            Literals::One(first) => {
                *literals = Literals::Many;
                self.put_into_table(first);
                self.put_into_table(child);
            }
            Literals::Many => self.put_into_table(child),
        }
        child
    }

    fn constrained_child(&mut self, parent: NodeId, constraint: &Constraint, node: Node) -> NodeId {
        let mut last = None;
        for child in self.tree.constrained(self.tree.node(parent)) {
            if self.tree.node(child).constraint.as_ref() == Some(constraint) {
                return child;
            }
            last = Some(child);
        }
        let child = self.add_node(Node {
            constraint: Some(constraint.clone()),
            ..node
        });
        match last {
            Some(last) => self.node(last).sibling = Some(child),
            None => self.node(parent).constrained = Some(child),
        }
        child
    }

    fn only_child(
        &mut self,
        parent: NodeId,
        place: fn(&mut Node) -> &mut Option<NodeId>,
        node: Node,
    ) -> NodeId {
        if let Some(child) = *place(self.node(parent)) {
            return child;
        }
        let child = self.add_node(node);
        *place(self.node(parent)) = Some(child);
        child
    }

    fn add_node(&mut self, node: Node) -> NodeId {
        let id = NodeId(NonZeroU32::new(position(self.tree.nodes.len())).unwrap_or(NonZeroU32::MAX));
        self.tree.nodes.push(node);
        self.leaves.push(Vec::new());
        id
    }

    fn put_into_table(&mut self, child: NodeId) {
        let Tree {
            nodes,
            texts,
            literals,
            hasher,
            ..
        } = &mut self.tree;
        let hash = |child: &NodeId| {
            let node = &nodes[index_of(*child)];
            let text = &texts[node.text.start as usize..node.text.end as usize];
            edge_hash(hasher, node.parent, text_hash(hasher, text))
        };
        literals.insert_unique(hash(&child), child, hash);
    }

    fn step(&mut self, segment: &Segment) -> Step {
        match segment {
            Segment::Literal(text) => Step::Literal(self.text(text)),
            Segment::Constrained(_, constraint) => Step::Constrained(constraint.clone()),
            Segment::Parameter(_) => Step::Parameter,
            Segment::Tail(_) => Step::Tail,
        }
    }

    /// Stores a text once.
    fn text(&mut self, text: &str) -> Range<u32> {
        if let Some(stored) = self.texts.get(text) {
            return stored.clone();
        }
        let stored = append(&mut self.tree.texts, text.as_bytes());
        self.texts.insert(text.into(), stored.clone());
        stored
    }

    /// Stores a suffix once.
    fn suffix(&mut self, steps: &[Step]) -> Range<u32> {
        if let Some(stored) = self.suffixes.get(steps) {
            return stored.clone();
        }
        let stored = append(&mut self.tree.steps, steps);
        self.suffixes.insert(steps.into(), stored.clone());
        stored
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        &mut self.tree.nodes[index_of(id)]
    }
}

/// Appends `items` to an arena and returns where they stand.
fn append<T: Clone>(arena: &mut Vec<T>, items: &[T]) -> Range<u32> {
    let start = position(arena.len());
    arena.extend_from_slice(items);
    start..position(arena.len())
}

fn index_of(node: NodeId) -> usize {
    node.0.get() as usize
}

/// A place in an arena. There are fewer than 2^32 entries and segments, and bytes of them: no store holds as many.
fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
