//! The words of a link, and changes of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::name::Name;
use super::value::{self, Files, QUEUE, Value};
use crate::words::excerpt::{LONGEST_ERROR, shortened};

/// What a link does, in words: none contradicts another, and all are what the library takes.
///
/// Serialised it is an object with a text for each name; `allow-reorder` is `true`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Words(pub(super) BTreeMap<Name, Value>);

/// What is to become of some of the words of a link: another value, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes(BTreeMap<Name, Option<Value>>);

/// What is wrong with words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The name that it is about, as it was written; none where it is about several.
    pub(crate) name: Option<String>,
    /// Whether that name is the mistake, and not what it is set to.
    pub(crate) is_unknown: bool,
    /// What is wrong, without the name.
    pub(crate) message: String,
    /// What to write instead, where the message does not say so.
    pub(crate) hint: Option<String>,
}

impl Words {
    /// These words after some changes ([`Changes::and`]).
    ///
    /// # Errors
    ///
    /// Words that contradict each other, and what the library refuses.
    pub(crate) fn with(&self, changes: &Changes) -> Result<Self, Mistake> {
        Changes::from(self).and(changes).words()
    }

    fn check(&self) -> Result<(), Mistake> {
        let has = |name| self.0.contains_key(&name);
        if has(Name::Rate) && has(Name::Trace) {
            return Err(Mistake::of(
                Name::Trace,
                "it says how fast the link is, and so does rate: there can be one of them",
            ));
        }
        let has_rate = has(Name::Rate) || has(Name::Trace);
        if let Some(name) = [Name::Queue, Name::Codel].into_iter().find(|name| has(*name) && !has_rate) {
            return Err(Mistake::of(name, "nothing waits where the link has no rate: it needs rate or trace"));
        }
        let has_states = self.0.get(&Name::Loss).is_some_and(Value::has_states);
        if has(Name::DelayInBad) && !has_states {
            let message = "it needs a loss that has a bad state: burst:LOSS,LENGTH or ge:P,R";
            return Err(Mistake::of(Name::DelayInBad, message));
        }
        self.options().check().map_err(|error| Mistake::general(error.to_string()))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.values()
    }

    /// Whether the link does nothing to datagrams, as far as these words say.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What an impairment is set to.
    pub(crate) fn get(&self, name: Name) -> Option<String> {
        self.0.get(&name).map(ToString::to_string)
    }

    /// Each word and what it is set to, in the order in which they apply.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Name, String)> {
        self.0.iter().map(|(name, value)| (*name, value.to_string()))
    }
}

impl Changes {
    /// Reads names and what each is set to; nothing, or `none`, takes it away.
    ///
    /// # Errors
    ///
    /// The first name that there is not or that comes twice, or text that does not say what its name needs.
    pub(crate) fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        files: &Files<'_>,
    ) -> Result<Self, Mistake> {
        let mut changes = Self::default();
        for (word, text) in pairs {
            let Some(name) = Name::of(word) else { return Err(Mistake::unknown(word)) };
            if changes.0.contains_key(&name) {
                return Err(Mistake::of(name, "it is there twice"));
            }
            let one = match text {
                Some(text) => Self::one(name, text, files).map_err(|message| Mistake::of(name, message))?,
                None => Self(BTreeMap::from([(name, None)])),
            };
            changes.0.extend(one.0);
        }
        Ok(changes)
    }

    /// Reads an object of JSON: texts, or numbers and truth values that are written as in a text; `null` takes a word away.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); also what is no object, and what no word is set to.
    pub(crate) fn read_json(object: &serde_json::Value, files: &Files<'_>) -> Result<Self, Mistake> {
        use serde_json::Value as Json;
        let wrong = || Mistake::general(r#"impairments are an object, such as {"loss": "5%", "delay": "40ms"}"#);
        let text = |value: &Json| match value {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text.clone())),
            Json::Bool(_) | Json::Number(_) => Ok(Some(value.to_string())),
            Json::Array(_) | Json::Object(_) => Err(wrong()),
        };
        let object = object.as_object().ok_or_else(wrong)?;
        let texts = object.iter().map(|(name, value)| Ok((name.as_str(), text(value)?)));
        let texts = texts.collect::<Result<Vec<_>, Mistake>>()?;
        Self::read(texts.iter().map(|(name, text)| (*name, text.as_deref())), files)
    }

    /// Reads one. `Err` says what is wrong, and what can be written instead.
    pub(crate) fn one(name: Name, text: &str, files: &Files<'_>) -> Result<Self, String> {
        let value = value::read(name, text, files).and_then(|value| match value {
            Some(value) => value.check().map(|()| Some(value)),
            None => Ok(None),
        });
        let value = value.map_err(|message| shortened(&message, LONGEST_ERROR).into_owned())?;
        Ok(Self(BTreeMap::from([(name, value)])))
    }

    /// These, and then others, which win. What those leave without a use goes, too: the queue of a link that has no rate any
    /// more, the rate of one that follows a trace now.
    pub(crate) fn and(mut self, others: &Self) -> Self {
        let sets = |name| matches!(others.0.get(&name), Some(Some(_)));
        let takes = |name| matches!(others.0.get(&name), Some(None));
        self.0.extend(others.0.iter().map(|(name, value)| (*name, value.clone())));
        let mut useless = Vec::new();
        match (sets(Name::Rate), sets(Name::Trace)) {
            (true, false) => useless.push(Name::Trace),
            (false, true) => useless.push(Name::Rate),
            _ => {}
        }
        let has_rate = [Name::Rate, Name::Trace].iter().any(|name| matches!(self.0.get(name), Some(Some(_))));
        if !has_rate && (takes(Name::Rate) || takes(Name::Trace)) {
            useless.extend([Name::Queue, Name::Codel]);
        }
        if let Some(loss) = others.0.get(&Name::Loss)
            && !loss.as_ref().is_some_and(Value::has_states)
        {
            useless.push(Name::DelayInBad);
        }
        self.0.extend(useless.into_iter().filter(|name| !sets(*name)).map(|name| (name, None)));
        self
    }

    /// What a link does after these, if it did nothing before.
    ///
    /// # Errors
    ///
    /// As [`Words::with`].
    pub(crate) fn words(self) -> Result<Words, Mistake> {
        let values = self.0.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut words = Words(values.collect());
        if words.0.contains_key(&Name::Rate) || words.0.contains_key(&Name::Trace) {
            words.0.entry(Name::Queue).or_insert(Value::Queue(QUEUE));
        }
        words.check()?;
        Ok(words)
    }

    /// What makes these words, and no others, of any.
    pub(crate) fn only(words: &Words) -> Self {
        Self(Name::ALL.map(|name| (name, words.0.get(&name).cloned())).into())
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&Words> for Changes {
    /// Those that make these words of nothing.
    fn from(words: &Words) -> Self {
        Self(words.0.iter().map(|(name, value)| (*name, Some(value.clone()))).collect())
    }
}

impl Mistake {
    fn of(name: Name, message: impl Into<String>) -> Self {
        Self { name: Some(name.word().to_owned()), is_unknown: false, message: message.into(), hint: None }
    }

    fn general(message: impl Into<String>) -> Self {
        Self { name: None, is_unknown: false, message: message.into(), hint: None }
    }

    fn unknown(word: &str) -> Self {
        Self {
            name: Some(shortened(word, LONGEST_ERROR).into_owned()),
            is_unknown: true,
            message: "there is no such impairment".to_owned(),
            hint: Some(Name::hint(word)),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match value {
                Value::AllowReorder => map.serialize_entry(name.word(), &true)?,
                value => map.serialize_entry(name.word(), &value.to_string())?,
            }
        }
        map.end()
    }
}

impl Files<'_> {
    /// None but those that these words were read from.
    pub(crate) fn of(words: &[&Words]) -> Self {
        Self::Read(words.iter().flat_map(|words| words.values()).cloned().collect())
    }
}
