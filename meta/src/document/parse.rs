//! From text to a tree, within bounds, keeping what was read when the text breaks off.
//!
//! Two sorts of faults: a *flaw* is of one value (a key twice, a number too large) and reading goes on; an *end* is an error
//! after which nothing of the text can be trusted (syntax, a bound). What was open at the end is left in [`Parsed::open`].

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::{
    place::{Source, Style},
    scalar::{self, Meaning},
    tree::{Content, Entry, Node, Place, Text},
};

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// How deep lists and mappings may stand in each other.
pub const MAX_DEPTH: usize = 64;
/// How many values a text may hold: more than 100,000 large routes; at most some 600 MiB of memory.
pub const MAX_NODES: usize = 8 << 20;
/// How many values all aliases together may repeat.
const MAX_REPEATED_NODES: usize = 100_000;
/// How many bytes of text all aliases together may repeat.
const MAX_REPEATED_BYTES: usize = 16 << 20;
/// With more flaws than these the text is given up.
const MAX_FLAWS: usize = 1_000;

/// What came of a text.
#[derive(Default)]
pub(super) struct Parsed {
    /// The whole value, if the text came to its end or at least the value did.
    pub(super) root: Option<Node>,
    /// The lists and mappings that were open at the end, outermost first; empty if there is a root.
    pub(super) open: Vec<Open>,
    pub(super) flaws: Vec<LocalFlaw>,
    pub(super) end: Option<End>,
    /// Nothing was read between the end of an item of a list of the outermost mapping and the end: because only indentation
    /// says where a block ends, it is not certain that the item was over.
    pub(super) item_uncertain: bool,
    /// Whether values repeat others by aliases.
    pub(super) aliased: bool,
}

/// Why reading ended early.
#[derive(Debug)]
pub(super) struct End {
    pub(super) place: Place,
    pub(super) message: String,
    /// Even what was read is not to be used.
    pub(super) void: bool,
}

/// What is wrong with one value.
#[derive(Debug)]
pub(super) struct LocalFlaw {
    pub(super) place: Place,
    pub(super) message: String,
    /// Where it is in the tree: the tokens of its pointer.
    pub(super) path: Vec<String>,
}

/// A list or mapping that is being read.
pub(super) struct Open {
    start: Place,
    anchor: usize,
    pub(super) inside: Inside,
}

pub(super) enum Inside {
    List(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<(String, Place)>,
        /// The keys so far, once there are so many that looking through them costs.
        seen: Option<HashSet<String>>,
    },
}

/// What becomes of the items of the lists in the outermost mapping.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Items {
    /// They stay as they are.
    #[default]
    Kept,
    /// Those with an id are packed as soon as they are whole, so that there is never more than one as a tree.
    Packed,
}

/// Reads `text`.
pub(super) fn parse(text: &str, items: Items) -> Parsed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        source: Source::new(text),
        items,
        ..Builder::default()
    };
    let refusal = refusal_of(text);
    // The parser is not ours: should it ever panic on some text, that text is refused and nothing else happens.
    let end = match refusal {
        Some(end) => Some(end),
        None => match catch_unwind(AssertUnwindSafe(|| builder.run(text))) {
            Ok(outcome) => outcome.err(),
            Err(_) => Some(End {
                place: builder.last,
                message: "the text cannot be read from here on".into(),
                void: false,
            }),
        },
    };
    Parsed {
        root: builder.root,
        open: builder.open,
        flaws: builder.flaws,
        end,
        item_uncertain: builder.item_uncertain,
        aliased: builder.aliased,
    }
}

/// What can be refused without reading.
fn refusal_of(text: &str) -> Option<End> {
    let refuse = |line: usize, column: usize, message: String| {
        Some(End {
            place: Place {
                line: line as u32,
                column: column as u32,
            },
            message,
            void: true,
        })
    };
    if text.len() > MAX_BYTES {
        let message = format!("the text has {} bytes; at most {MAX_BYTES} are read", text.len());
        return refuse(1, 1, message);
    }
    let before = &text[..text.find('\0')?];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    refuse(
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
        "this is no text: it holds a NUL byte, as a file does that was not written to its end".into(),
    )
}

#[derive(Default)]
struct Builder<'t> {
    root: Option<Node>,
    open: Vec<Open>,
    flaws: Vec<LocalFlaw>,
    item_uncertain: bool,
    aliased: bool,
    items: Items,
    documents: usize,
    nodes: usize,
    repeated_nodes: usize,
    repeated_bytes: usize,
    anchors: HashMap<usize, Node>,
    last: Place,
    source: Source<'t>,
}

impl Default for Place {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
        Self {
            line: narrow(marker.line()),
            column: narrow(marker.col().saturating_add(1)),
        }
    }
}

impl<'t> Builder<'t> {
    fn run(&mut self, text: &'t str) -> Result<(), End> {
        let mut parser: Parser<'t, StrInput<'t>> = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| End {
                place: (*error.marker()).into(),
                message: format!("this is no YAML: {}", error.info()),
                void: false,
            })?;
            self.last = span.start.into();
            self.take(event, span)?;
            if self.flaws.len() > MAX_FLAWS {
                return Err(self.stop("there is more wrong with this text than can be told"));
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'t>, span: Span) -> Result<(), End> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(End {
                        void: true,
                        ..self.stop("a second document begins here; a file holds only one")
                    });
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.item_uncertain = false;
                if self.awaits_key() {
                    return self.take_key(text.into_owned(), anchor);
                }
                let place = self.scalar_place(style, &text);
                let content = match scalar::resolve(&text, style, tag.as_deref()) {
                    Ok(Meaning::Null) => Content::Null,
                    Ok(Meaning::Bool(truth)) => Content::Bool(truth),
                    Ok(Meaning::Number(number)) => Content::Number(number),
                    Ok(Meaning::Text) => Content::Text(Text {
                        style: self.source.style(style, span, &text),
                        value: text.into(),
                    }),
                    Err(message) => self.flawed(message, self.last),
                };
                let node = self.node(place, content)?;
                self.keep_anchored(anchor, &node)?;
                self.place(node);
            }
            Event::Alias(anchor) => {
                self.item_uncertain = false;
                self.aliased = true;
                self.repeat(anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                let tag =
                    tag.map(|tag| scalar::core_suffix(&tag).map(|name| (name == "seq", tag.to_string())));
                self.check_tag(tag);
                self.enter(anchor, Inside::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                let tag =
                    tag.map(|tag| scalar::core_suffix(&tag).map(|name| (name == "map", tag.to_string())));
                self.check_tag(tag);
                let inside = Inside::Mapping {
                    entries: Vec::new(),
                    key: None,
                    seen: None,
                };
                self.enter(anchor, inside)?;
            }
            Event::SequenceEnd => self.leave()?,
            Event::MappingEnd => {
                self.leave()?;
                // An end in braces is a character; an end of a block is only an indentation.
                self.item_uncertain |= self.open.len() == 2 && span.is_empty();
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// A text in lines of its own that has none stands, for the parser, wherever the next thing begins; here, at its key.
    fn scalar_place(&self, style: ScalarStyle, text: &str) -> Place {
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        match self.open.last() {
            Some(open) if block && text.is_empty() => match &open.inside {
                Inside::Mapping {
                    key: Some((_, place)),
                    ..
                } => *place,
                _ => open.start,
            },
            _ => self.last,
        }
    }

    fn stop(&self, message: impl Into<String>) -> End {
        End {
            place: self.last,
            message: message.into(),
            void: false,
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                inside: Inside::Mapping { key: None, .. },
                ..
            })
        )
    }

    /// Any scalar is a key, as the text that it is.
    fn take_key(&mut self, text: String, anchor: usize) -> Result<(), End> {
        let place = self.last;
        if anchor != 0 {
            let style = Style::Block;
            let content = Content::Text(Text {
                value: text.as_str().into(),
                style,
            });
            let node = self.node(place, content)?;
            self.keep_anchored(anchor, &node)?;
        }
        let Some(Open {
            inside: Inside::Mapping { entries, key, seen },
            ..
        }) = self.open.last_mut()
        else {
            return Ok(());
        };
        let twice = match seen {
            Some(seen) => !seen.insert(text.clone()),
            None => {
                if entries.len() >= 16 {
                    let keys = entries.iter().map(|entry| entry.key.clone());
                    *seen = Some(keys.chain([text.clone()]).collect());
                }
                entries.iter().any(|entry| entry.key == text)
            }
        };
        let message = twice.then(|| format!("the key {text:?} stands here a second time"));
        *key = Some((text, place));
        if let Some(message) = message {
            self.flawed(message, place);
        }
        Ok(())
    }

    /// Notes what is wrong with the value that stands here, and gives what stands in for it.
    fn flawed(&mut self, message: String, place: Place) -> Content {
        let token = |open: &Open| match &open.inside {
            Inside::List(items) => items.len().to_string(),
            Inside::Mapping { key, .. } => key.as_ref().map(|key| key.0.clone()).unwrap_or_default(),
        };
        self.flaws.push(LocalFlaw {
            place,
            message,
            path: self.open.iter().map(token).collect(),
        });
        Content::Null
    }

    fn check_tag(&mut self, tag: Option<Result<(bool, String), String>>) {
        let message = match tag {
            None | Some(Ok((true, _))) => return,
            Some(Ok((false, tag))) => format!("the tag {tag} does not fit here; leave it out"),
            Some(Err(message)) => message,
        };
        self.flawed(message, self.last);
    }

    fn node(&mut self, place: Place, content: Content) -> Result<Node, End> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.stop(format!("the text holds more than {MAX_NODES} values")));
        }
        Ok(Node { place, content })
    }

    fn enter(&mut self, anchor: usize, inside: Inside) -> Result<(), End> {
        self.item_uncertain = false;
        if self.awaits_key() {
            return Err(self.stop("a key is a text, not a list or a mapping"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.stop(format!(
                "lists and mappings stand more than {MAX_DEPTH} deep in each other"
            )));
        }
        self.open.push(Open {
            start: self.last,
            anchor,
            inside,
        });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), End> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let content = match open.inside {
            Inside::List(items) => Content::List(items),
            Inside::Mapping { entries, .. } => Content::Mapping(entries),
        };
        let node = self.node(open.start, content)?;
        self.keep_anchored(open.anchor, &node)?;
        self.place(node);
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, mut node: Node) {
        // What has an anchor may be repeated, and is not worth it.
        if self.items == Items::Packed
            && let [outermost, list] = self.open.as_slice()
            && let (Inside::Mapping { .. }, Inside::List(_), 0) =
                (&outermost.inside, &list.inside, list.anchor)
        {
            node = node.into_object();
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Mapping { entries, key, .. }) => {
                if let Some((key, key_place)) = key.take() {
                    entries.push(Entry {
                        key,
                        key_place,
                        value: node,
                    });
                }
            }
        }
    }

    fn keep_anchored(&mut self, anchor: usize, node: &Node) -> Result<(), End> {
        if anchor != 0 {
            let copy = self.copy(node)?;
            self.anchors.insert(anchor, copy);
        }
        Ok(())
    }

    /// Puts what `anchor` stands for here once more.
    fn repeat(&mut self, anchor: usize) -> Result<(), End> {
        let Some(node) = self.anchors.remove(&anchor) else {
            return Err(self.stop("this alias stands for something that holds the alias itself"));
        };
        if self.awaits_key() {
            let Some(text) = node.as_text().map(str::to_owned) else {
                return Err(self.stop("a key is a text, not a list or a mapping"));
            };
            self.anchors.insert(anchor, node);
            return self.take_key(text, 0);
        }
        let copy = self.copy(&node);
        self.anchors.insert(anchor, node);
        self.place(copy?);
        Ok(())
    }

    /// A copy of `node`, within what copies may cost: a few aliases of aliases can stand for billions of values.
    fn copy(&mut self, node: &Node) -> Result<Node, End> {
        let weight = node.weigh();
        self.repeated_nodes += weight.nodes;
        self.repeated_bytes += weight.bytes;
        if self.repeated_nodes > MAX_REPEATED_NODES || self.repeated_bytes > MAX_REPEATED_BYTES {
            return Err(self.stop("anchors and aliases repeat more than can be read"));
        }
        if self.open.len() + weight.depth > MAX_DEPTH {
            return Err(self.stop(format!(
                "lists and mappings stand more than {MAX_DEPTH} deep in each other"
            )));
        }
        Ok(node.clone())
    }
}
