//! The values of an axis as text: a list with quoted commas, and ranges of numbers.

use super::BoardError;

/// More values than this are never a board; a range is counted before it is written out.
const MOST_VALUES: usize = super::MOST_CELLS;

/// Splits at commas. A value that begins with a quotation mark ends at the next one, and holds what lies between them,
/// commas too; a doubled mark inside stands for one (as in CSV). Other values lose the blanks around them.
pub fn split(axis: &str, text: &str) -> Result<Vec<String>, BoardError> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let (value, after) = match trimmed.strip_prefix('"') {
            Some(quoted) => {
                let open = || BoardError::OpenQuote { axis: axis.to_owned(), value: trimmed.to_owned() };
                let (value, after) = unquote(quoted).ok_or_else(open)?;
                let after = after.trim_start();
                if !after.is_empty() && !after.starts_with(',') {
                    return Err(open());
                }
                (value, after)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (value, after) = rest.split_at(end);
                if value.trim().is_empty() {
                    return Err(match out.is_empty() && after.is_empty() {
                        true => BoardError::NoValues { axis: axis.to_owned() },
                        false => BoardError::EmptyValue { axis: axis.to_owned() },
                    });
                }
                (value.trim().to_owned(), after)
            }
        };
        out.push(value);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(out),
        }
    }
}

/// Up to the closing mark, and what comes behind it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        value.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                value.push('"');
                rest = next;
            }
            None => return Some((value, after)),
        }
    }
}

/// The numbers of `FROM..TO step STEP`, both ends included where the step meets them; `None` where `value` is no range.
/// A range may run down. Without a step it is 1 for whole numbers, and refused for others.
pub fn range(axis: &str, value: &str, is_whole: bool) -> Result<Option<Vec<f64>>, BoardError> {
    let Some((from, rest)) = value.split_once("..") else { return Ok(None) };
    let fault = || BoardError::Range { axis: axis.to_owned(), value: value.to_owned() };
    let (to, step) = match rest.split_once("step") {
        Some((to, step)) => (to, Some(step)),
        None => (rest, None),
    };
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(fault);
    let (from, to) = (number(from)?, number(to)?);
    let step = match step {
        Some(step) => number(step)?,
        None if is_whole => 1.0,
        None => return Err(fault()),
    };
    if step <= 0.0 {
        return Err(fault());
    }
    // A little more than the quotient, so that 0..1 step 0.1 has its end.
    let count = ((to - from).abs() / step + 1e-6).floor() + 1.0;
    if count > MOST_VALUES as f64 {
        return Err(BoardError::TooManyCells { cells: count.min(1e15) as usize, most: MOST_VALUES });
    }
    let step = if to < from { -step } else { step };
    // Sums of tenths are rounded to what a person wrote; minus zero is zero.
    let rounded = |n: f64| (n * 1e9).round() / 1e9 + 0.0;
    Ok(Some(
        (0..count as usize)
            .map(|i| if is_whole { from + i as f64 * step } else { rounded(from + i as f64 * step) })
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn lists_may_quote_commas_and_marks() {
        let parts = |text: &str| split("prompt", text).unwrap();
        assert_eq!(parts("a,b , c"), ["a", "b", "c"]);
        assert_eq!(parts(r#""a fish, red", "say ""hi""",plain"#), ["a fish, red", "say \"hi\"", "plain"]);
        assert_eq!(parts(r#""""#), [""]);
        assert_eq!(parts(r#""",a"#), ["", "a"]);
        assert_eq!(parts(r#"5" of snow"#), [r#"5" of snow"#]);
        assert_eq!(parts("猫,魚"), ["猫", "魚"]);
    }

    #[test]
    fn faults_of_lists_are_told() {
        let said = |text: &str| split("prompt", text).unwrap_err().to_string();
        assert!(said("").contains("no values"));
        assert!(said("a,").contains("empty value"));
        assert!(said(",a").contains("empty value"));
        assert!(said("a,,b").contains("empty value"));
        assert!(said("\"a").contains("does not end"));
        assert!(said("\"a\"b,c").contains("does not end"));
    }

    #[test]
    fn ranges_meet_their_ends() {
        let numbers = |text: &str| range("strength", text, false).unwrap().unwrap();
        assert_eq!(numbers("0..1 step 0.25"), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(numbers("0..0.3step0.1"), [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(numbers("1..0 step 0.5"), [1.0, 0.5, 0.0]);
        assert_eq!(numbers("-1..-0.5 step 0.2"), [-1.0, -0.8, -0.6]);
        assert_eq!(numbers("2..2 step 1"), [2.0]);
        assert_eq!(range("seed", "1..3", true).unwrap().unwrap(), [1.0, 2.0, 3.0]);
        assert_eq!(range("strength", "0.5", false).unwrap(), None);
    }

    #[test]
    fn ranges_that_are_none_are_refused() {
        for text in ["0..1", "0..1 step 0", "0..1 step -1", "a..1 step 1", "0.. step 1", "0..inf step 1", "0..1 step x"]
        {
            assert!(matches!(range("strength", text, false), Err(BoardError::Range { .. })), "{text}");
        }
        let said = range("seed", "0..1e18", true).unwrap_err().to_string();
        assert!(said.contains("at most"), "{said}");
    }
}
