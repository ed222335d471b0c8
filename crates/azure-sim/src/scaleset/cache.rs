//! Texts of sets that are asked for again and again. A text counts until the set's etag or its resource changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body;
use super::render::{self, Kind};
use super::template::Template;
use crate::world::World;

/// Texts by the set's key; not part of a world's file.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    sets: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    version: u64,
    body: Option<Arc<str>>,
    templates: BTreeMap<Kind, Arc<Template>>,
}

impl Texts {
    /// The resource of a set has changed, or may have.
    pub(super) fn forget(&mut self, key: &str) {
        if !self.sets.is_empty() {
            self.sets.remove(key);
        }
    }
}

/// What is kept of a set as it is now.
fn kept<'a>(world: &'a mut World, key: &str) -> Option<&'a mut Kept> {
    let version = world.scale.sets.get(key)?.version;
    let new = || Kept { version, body: None, templates: BTreeMap::new() };
    if !world.scale.texts.sets.contains_key(key) {
        world.scale.texts.sets.insert(key.to_owned(), new());
    }
    let kept = world.scale.texts.sets.get_mut(key)?;
    if kept.version != version {
        *kept = new();
    }
    Some(kept)
}

/// The body of a set.
pub(super) fn body_of(world: &mut World, key: &str) -> Option<Arc<str>> {
    if let Some(text) = &kept(world, key)?.body {
        return Some(text.clone());
    }
    let text: Arc<str> = body::text(world.resource(key)?, world.scale.sets.get(key)?).into();
    kept(world, key)?.body = Some(text.clone());
    Some(text)
}

/// The template of a set's instances.
pub(super) fn template_of(world: &mut World, key: &str, kind: Kind) -> Option<Arc<Template>> {
    if let Some(template) = kept(world, key)?.templates.get(&kind) {
        return Some(template.clone());
    }
    let template = render::template(world, world.resource(key)?, world.scale.sets.get(key)?, kind);
    let template = Arc::new(template);
    kept(world, key)?.templates.insert(kind, template.clone());
    Some(template)
}
