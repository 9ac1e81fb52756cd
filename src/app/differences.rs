//! Which settings of two pictures differ, in words.

use serde_json::Value;

use crate::recipe::Recipe;

/// One line for each setting that differs, such as "steps 8 → 16".
pub fn differences(from: &Recipe, to: &Recipe) -> Vec<String> {
    let mut out = Vec::new();
    // A recipe is plain data, so that both always become JSON.
    if let (Ok(from), Ok(to)) = (serde_json::to_value(from), serde_json::to_value(to)) {
        compare("", &from, &to, &mut out);
    }
    out
}

fn compare(name: &str, from: &Value, to: &Value, out: &mut Vec<String>) {
    match (from, to) {
        (from, to) if from == to => {}
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            // A reference's name tells its picture better than the hash.
            for key in keys.into_iter().filter(|key| *key != "hash") {
                let words = key.replace('_', " ");
                let inner = if name.is_empty() { words } else { format!("{name} {words}") };
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                compare(&inner, &of(a), &of(b), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                let inner = if name == "references" { format!("reference {}", index + 1) } else { name.to_owned() };
                compare(&inner, a, b, out);
            }
        }
        (Value::Array(a), Value::Array(b)) => out.push(format!("{name} {} → {}", a.len(), b.len())),
        (from, to) => out.push(format!("{name} {} → {}", short(from), short(to))),
    }
}

fn short(value: &Value) -> String {
    const LONGEST: usize = 40;
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Reference;

    #[test]
    fn only_what_differs_is_named() {
        let from = Recipe { steps: Some(8), references: vec![Reference::default()], ..Recipe::default() };
        let mut to = from.clone();
        assert!(differences(&from, &to).is_empty());
        to.steps = Some(16);
        to.references[0].layout_strength = 0.5;
        assert_eq!(differences(&from, &to), ["reference 1 layout strength 1.0 → 0.5", "steps 8 → 16"]);
        to.references.clear();
        assert_eq!(differences(&from, &to)[0], "references 1 → 0");
    }
}
