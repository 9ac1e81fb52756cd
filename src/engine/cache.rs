//! The last few results of something slow, by what they were made from.

/// Keeps the `capacity` most recently used entries. A list serves: capacities are small.
#[derive(Debug)]
pub struct Recent<K, V> {
    capacity: usize,
    entries: Vec<(K, V)>,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Vec::new() }
    }

    /// The value of `key`; made by `make` if it is not there.
    pub fn get_or_try<E>(&mut self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(place) = self.entries.iter().position(|(k, _)| *k == key) {
            let entry = self.entries.remove(place);
            let value = entry.1.clone();
            self.entries.push(entry);
            return Ok(value);
        }
        let value = make()?;
        if self.entries.len() >= self.capacity {
            self.entries.remove(0);
        }
        self.entries.push((key, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn keeps_what_was_used_last_and_makes_nothing_twice() {
        let mut made = Vec::new();
        let mut recent = Recent::new(2);
        for key in [1, 2, 1, 3, 1, 2] {
            let value = recent.get_or_try(key, || {
                made.push(key);
                Ok::<_, ()>(key * 10)
            });
            assert_eq!(value, Ok(key * 10));
        }
        // 3 pushed 2 out, because 1 had been used since.
        assert_eq!(made, [1, 2, 3, 2]);
    }
}
