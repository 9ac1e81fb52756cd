//! How a recipe calls a file of weights: a name for people and a part of its content's hash, such as `sdxl-base@1f0c…`.

/// The name of what comes with the program, or with a model.
pub const BUILT_IN: &str = "built-in";

/// Digits of the hash in an identity.
pub const ID_DIGITS: usize = 16;

/// The identity of a file. `hash` is that of its content, in hex.
pub fn file_id(name: &str, hash: &str) -> String {
    format!("{name}@{}", hash.get(..ID_DIGITS).unwrap_or(hash))
}

/// The name, and what there is of the content's hash. A name may hold an `@` of its own.
pub fn split_id(id: &str) -> (&str, Option<&str>) {
    id.rsplit_once('@').map_or((id, None), |(name, hash)| (name, Some(hash)))
}

/// Whether it comes with the program or with its model, as what has no name does.
pub fn is_built_in(id: &str) -> bool {
    matches!(split_id(id).0, "" | BUILT_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_name_and_sixteen_digits() {
        let id = file_id("a@b.safetensors", "0123456789abcdef0123");
        assert_eq!(id, "a@b.safetensors@0123456789abcdef");
        assert_eq!(split_id(&id), ("a@b.safetensors", Some("0123456789abcdef")));
        assert_eq!(split_id("sdxl"), ("sdxl", None));
        assert!(is_built_in("") && is_built_in("built-in@1f0c") && !is_built_in("sdxl@1f0c"));
    }
}
