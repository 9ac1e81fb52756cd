//! How well a few typed letters stand for a name.

/// Larger is better; None where the letters do not all occur in their order. No letters fit everything alike.
pub fn score(typed: &str, name: &str) -> Option<i32> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let typed: Vec<char> = typed.to_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect();
    if typed.is_empty() {
        return Some(0);
    }
    // Wherever the first letter occurs could be the best beginning; names are short.
    (0..name.len()).filter_map(|start| score_from(&typed, &name, start)).max()
}

/// The letters one after the other, each at its next place from `start` on.
fn score_from(typed: &[char], name: &[char], start: usize) -> Option<i32> {
    const WORD_START: i32 = 8;
    const NEIGHBOUR: i32 = 6;
    let mut points = 0;
    let mut last: Option<usize> = None;
    let mut from = start;
    for letter in typed {
        let place = from + name.get(from..)?.iter().position(|other| other == letter)?;
        let before = place.checked_sub(1).and_then(|place| name.get(place));
        if before.is_none_or(|before| !before.is_alphanumeric()) {
            points += WORD_START;
        }
        match last {
            Some(last) if last + 1 == place => points += NEIGHBOUR,
            // Letters left out between two found ones.
            Some(last) => points -= i32::try_from(place - last).unwrap_or(i32::MAX).min(4),
            None => {}
        }
        last = Some(place);
        from = place + 1;
    }
    // Of two that fit alike the shorter name was meant.
    Some(points * 16 - i32::try_from(name.len()).unwrap_or(i32::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_must_occur_in_order() {
        assert_eq!(score("xyz", "Generate"), None);
        assert_eq!(score("rg", "Generate"), None);
        assert_eq!(score("", "Generate"), Some(0));
        assert!(score("gnt", "Generate").is_some());
    }

    #[test]
    fn beginnings_of_words_and_neighbours_count_more() {
        assert!(score("cp", "Copy picture") > score("cp", "Actual pixels"));
        assert!(score("redo", "Redo") > score("redo", "Remove the content"));
        assert!(score("fit", "Fit the picture") > score("fit", "Free it"));
    }

    #[test]
    fn any_text_is_taken() {
        assert_eq!(score("ß猫🙂", "Generate"), None);
        assert!(score("İ", "İstanbul").is_some());
    }
}
