//! What `docs/udp.schema.json` says of an object: whatever tests print as JSON must keep to it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::Value;

/// The schema.
pub(crate) static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../docs/udp.schema.json")).expect("the schema is JSON"));

/// A validator for each type that was seen; one for all would not say what is wrong with an object.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The types that the schema lists.
pub(crate) fn types() -> Vec<String> {
    let all = SCHEMA["oneOf"].as_array().expect("a list");
    let name = |one: &Value| one["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")).map(str::to_owned);
    all.iter().map(|one| name(one).expect("a type")).collect()
}

/// Asserts that a line of JSON Lines is what the schema says; its object.
pub(crate) fn checked(line: &str) -> Value {
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let kind = object["type"].as_str().unwrap_or_else(|| panic!("no type: {line}"));
    assert!(types().iter().any(|known| known == kind), "docs/udp.schema.json has no type '{kind}': {line}");
    let validator = validator(kind);
    let mistakes: Vec<_> = validator.iter_errors(&object).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "docs/udp.schema.json does not allow this: {mistakes:#?}\n{line}");
    object
}

fn validator(kind: &str) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().expect("no test panics in there");
    if let Some(validator) = validators.get(kind) {
        return Arc::clone(validator);
    }
    let mut schema = SCHEMA.clone();
    let root = schema.as_object_mut().expect("an object");
    root.remove("oneOf");
    root.insert("$ref".to_owned(), format!("#/$defs/{kind}").into());
    let made = Arc::new(jsonschema::draft202012::new(&schema).expect("the schema is one"));
    validators.insert(kind.to_owned(), Arc::clone(&made));
    made
}
