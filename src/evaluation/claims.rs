//! The paper's claim as ratios: style without the subject, and subtraction that lowers what leaks.

use super::intervals::{Interval, paired_ratio};
use super::summary::{Claim, Outcome, rounded};

type Says = fn(&Outcome) -> Option<bool>;

/// What is compared, the mode above the line, the mode below, what both count, and what is wanted.
const CLAIMS: &[(&str, &str, &str, Says, &str)] = &[
    ("style kept by `style`, of what `everything` keeps", "style", "everything", |o| o.style, "at least 0.8"),
    ("leak of `style`, of what `everything` leaks", "style", "everything", |o| o.leak, "at most 0.5"),
    ("prompt followed by `style`, of what `off` follows", "style", "off", |o| o.prompt, "at least 0.9"),
    (
        "leak of `everything+subtract`, of what `everything` leaks",
        "everything+subtract",
        "everything",
        |o| o.leak,
        "at most 0.67",
    ),
    (
        "style kept by `everything+subtract`, of what `everything` keeps",
        "everything+subtract",
        "everything",
        |o| o.style,
        "near 1",
    ),
];

/// The claims whose modes were measured; `outcomes` are by mode, all over the same cases.
pub fn claims(outcomes: &[(String, Vec<Outcome>)]) -> Vec<Claim> {
    let of = |mode: &str, says: Says| {
        let (_, list) = outcomes.iter().find(|(name, _)| name == mode)?;
        list.iter().map(says).collect::<Option<Vec<bool>>>()
    };
    let made = |&(claim, above, below, says, wanted): &(_, _, _, Says, _)| {
        let ratio = paired_ratio(&of(above, says)?, &of(below, says)?);
        let ends = |Interval(low, high)| (rounded(low), Some(high).filter(|x: &f64| x.is_finite()).map(rounded));
        Some(Claim { claim, ratio: ratio.map(|r| rounded(r.0)), ratio_95: ratio.map(|r| ends(r.1)), wanted })
    };
    CLAIMS.iter().filter_map(made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_of_the_modes_that_are_there() {
        let outcome = |style, leak| Outcome { style: Some(style), prompt: Some(true), leak: Some(leak), palette: 0.1 };
        let list = [
            ("off".to_owned(), vec![outcome(false, false); 4]),
            ("everything".to_owned(), vec![outcome(true, true); 4]),
            (
                "style".to_owned(),
                vec![outcome(true, true), outcome(true, false), outcome(true, false), outcome(false, false)],
            ),
        ];
        let found: Vec<_> = claims(&list).iter().map(|claim| claim.ratio).collect();
        assert_eq!(found, [Some(0.75), Some(0.25), Some(1.0)], "nothing is said about subtraction");
        let unjudged = Outcome { style: None, prompt: None, leak: None, palette: 0.1 };
        assert!(claims(&list.map(|(mode, _)| (mode, vec![unjudged]))).is_empty());
    }
}
