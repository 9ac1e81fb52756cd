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
/// A range may run down.
pub fn range(axis: &str, value: &str) -> Result<Option<Vec<f64>>, BoardError> {
    let Some((from, to, step)) = parts(value) else { return Ok(None) };
    let allowed = "FROM..TO step STEP with a step above 0, such as 0..1 step 0.25";
    let fault = || BoardError::Range { axis: axis.to_owned(), value: value.to_owned(), allowed };
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(fault);
    let (from, to, step) = (number(from)?, number(to)?, number(step.ok_or_else(fault)?)?);
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
    Ok(Some((0..count as usize).map(|i| rounded(from + i as f64 * step)).collect()))
}

/// As [`range`], of whole numbers, which floats would round beyond 2^53; without a step it is 1.
pub fn whole_range(axis: &str, value: &str) -> Result<Option<Vec<i128>>, BoardError> {
    let Some((from, to, step)) = parts(value) else { return Ok(None) };
    let allowed = "FROM..TO or FROM..TO step STEP in whole numbers with a step above 0, such as 1..4 or 10..30 step 10";
    let fault = || BoardError::Range { axis: axis.to_owned(), value: value.to_owned(), allowed };
    // The largest seed and its kin, so that no sum is out of range.
    let is_short = |n: &i128| n.unsigned_abs() <= u128::from(u64::MAX);
    let number = |text: &str| text.trim().parse::<i128>().ok().filter(is_short).ok_or_else(fault);
    let (from, to, step) = (number(from)?, number(to)?, step.map_or(Ok(1), number)?);
    if step <= 0 {
        return Err(fault());
    }
    let last = (to - from).abs() / step;
    let step = if to < from { -step } else { step };
    match usize::try_from(last) {
        Ok(last) if last < MOST_VALUES => Ok(Some((0..=last as i128).map(|i| from + i * step).collect())),
        last => {
            let cells = last.map_or(usize::MAX, |last| last.saturating_add(1));
            Err(BoardError::TooManyCells { cells, most: MOST_VALUES })
        }
    }
}

/// From, to and step of a range as they are written.
fn parts(value: &str) -> Option<(&str, &str, Option<&str>)> {
    let (from, rest) = value.split_once("..")?;
    Some(match rest.split_once("step") {
        Some((to, step)) => (from, to, Some(step)),
        None => (from, rest, None),
    })
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
        let numbers = |text: &str| range("strength", text).unwrap().unwrap();
        assert_eq!(numbers("0..1 step 0.25"), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(numbers("0..0.3step0.1"), [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(numbers("1..0 step 0.5"), [1.0, 0.5, 0.0]);
        assert_eq!(numbers("-1..-0.5 step 0.2"), [-1.0, -0.8, -0.6]);
        assert_eq!(numbers("2..2 step 1"), [2.0]);
        assert_eq!(range("strength", "0.5").unwrap(), None);
        let whole = |text: &str| whole_range("seed", text).unwrap().unwrap();
        assert_eq!(whole("1..3"), [1, 2, 3]);
        assert_eq!(whole("30..10 step 10"), [30, 20, 10]);
        // Floats know only every second of these, and none of those.
        assert_eq!(whole("9007199254740993..9007199254740995"), [9007199254740993, 9007199254740994, 9007199254740995]);
        let most = i128::from(u64::MAX);
        assert_eq!(whole("18446744073709551614..18446744073709551615"), [most - 1, most]);
        assert_eq!(whole_range("seed", "7").unwrap(), None);
    }

    #[test]
    fn ranges_that_are_none_are_refused() {
        for text in ["0..1", "0..1 step 0", "0..1 step -1", "a..1 step 1", "0.. step 1", "0..inf step 1", "0..1 step x"]
        {
            assert!(matches!(range("strength", text), Err(BoardError::Range { .. })), "{text}");
        }
        for text in ["1..3 step 0", "1..3 step -1", "1..2.5", "a..2", "1..", "0..99999999999999999999", "1..3 step 0.5"]
        {
            assert!(matches!(whole_range("seed", text), Err(BoardError::Range { .. })), "{text}");
        }
        for said in
            [whole_range("seed", "0..1000000000000000000").unwrap_err(), range("end", "0..1 step 1e-9").unwrap_err()]
        {
            assert!(said.to_string().contains("at most"), "{said}");
        }
    }
}
