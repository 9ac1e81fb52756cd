//! A question to the library as SQL.

use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::library::journal::StoredPath;
use crate::recipe::Recipe;

/// What to look for; what is left open matches everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Words of the prompt, each whole or only begun, in any order.
    pub text: String,
    pub min_stars: u8,
    /// As a recipe names it, see [`super::Catalogue::models`].
    pub model: Option<String>,
    /// Content hash of a reference.
    pub reference: Option<String>,
    /// What is taken from a reference, as `--mode` names it; "custom" for blocks of one's own.
    pub mode: Option<String>,
    /// Made in this time, ms since 1970, both ends included.
    pub made: std::ops::RangeInclusive<i64>,
    pub order: Order,
    pub offset: u32,
    pub limit: u32,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            text: String::new(),
            min_stars: 0,
            model: None,
            reference: None,
            mode: None,
            made: i64::MIN..=i64::MAX,
            order: Order::Newest,
            offset: 0,
            limit: 100,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    Newest,
    Oldest,
    /// Most stars first, and the newest of as many.
    Stars,
    /// By prompt, from A to Z.
    Prompt,
}

/// A finished picture of the library.
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryPicture {
    pub id: i64,
    pub file: PathBuf,
    /// blake3 of the file, in hex.
    pub hash: String,
    /// ms since 1970.
    pub made: i64,
    pub stars: u8,
    pub recipe: Recipe,
}

/// A part of what was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    pub pictures: Vec<LibraryPicture>,
    /// How many there are on all pages.
    pub total: u64,
}

pub fn search(connection: &Connection, query: &Query) -> rusqlite::Result<Page> {
    let mut values: Vec<Value> = Vec::new();
    let mut clauses = vec!["p.missing = 0".to_owned()];
    let mut add = |clause: &str, value: Value| {
        values.push(value);
        clauses.push(clause.replace('?', &format!("?{}", values.len())));
    };
    let (match_query, others) = words(&query.text);
    if !match_query.is_empty() {
        add("p.id IN (SELECT rowid FROM prompts WHERE prompts MATCH ?)", match_query.into());
    }
    for pattern in others {
        add("p.prompt LIKE ? ESCAPE '\\'", pattern.into());
    }
    if query.min_stars > 0 {
        add("s.stars >= ?", i64::from(query.min_stars).into());
    }
    if let Some(model) = &query.model {
        add("p.model = ?", model.clone().into());
    }
    for (column, wanted) in [("hash", &query.reference), ("mode", &query.mode)] {
        if let Some(wanted) = wanted {
            let clause = format!("p.id IN (SELECT picture FROM picture_references WHERE {column} = ?)");
            add(&clause, wanted.clone().into());
        }
    }
    if *query.made.start() != i64::MIN {
        add("p.made >= ?", (*query.made.start()).into());
    }
    if *query.made.end() != i64::MAX {
        add("p.made <= ?", (*query.made.end()).into());
    }
    let order = match query.order {
        Order::Newest => "p.made DESC, p.id DESC",
        Order::Oldest => "p.made, p.id",
        Order::Stars => "coalesce(s.stars, 0) DESC, p.made DESC, p.id DESC",
        Order::Prompt => "p.prompt COLLATE NOCASE, p.made, p.id",
    };
    let from = format!("FROM pictures p LEFT JOIN stars s ON s.hash = p.hash WHERE {}", clauses.join(" AND "));
    let total: i64 =
        connection.query_row(&format!("SELECT count(*) {from}"), params_from_iter(&values), |row| row.get(0))?;
    let sql = format!(
        "SELECT p.id, p.path, p.hash, p.made, coalesce(s.stars, 0), p.recipe {from} ORDER BY {order} LIMIT {} OFFSET {}",
        query.limit, query.offset
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(&values), picture)?;
    // A recipe that is none any more is left out rather than guessed.
    let pictures = rows.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?;
    Ok(Page { pictures, total: u64::try_from(total).unwrap_or(0) })
}

fn picture(row: &Row) -> rusqlite::Result<Option<LibraryPicture>> {
    let recipe: String = row.get(5)?;
    let Ok(recipe) = serde_json::from_str(&recipe) else { return Ok(None) };
    Ok(Some(LibraryPicture {
        id: row.get(0)?,
        file: row.get::<_, StoredPath>(1)?.into(),
        hash: row.get(2)?,
        made: row.get(3)?,
        stars: row.get(4)?,
        recipe,
    }))
}

/// The words that the full-text index knows, as its own query; and patterns for those that it does not: signs, and
/// scripts that write no spaces, where a word lies inside of a longer one.
fn words(text: &str) -> (String, Vec<String>) {
    let text = text.replace('\0', " ");
    let (indexed, others): (Vec<&str>, Vec<&str>) = text
        .split_whitespace()
        .partition(|word| word.chars().any(char::is_alphanumeric) && !word.chars().any(is_written_without_spaces));
    // In quotes nothing is an operator; the star lets the last part be begun only.
    let indexed: Vec<String> = indexed.iter().map(|word| format!("\"{}\"*", word.replace('"', "\"\""))).collect();
    let escaped = |word: &&str| {
        let word = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        format!("%{word}%")
    };
    (indexed.join(" "), others.iter().map(escaped).collect())
}

/// Thai, Lao, Chinese, Japanese, Korean and their neighbours.
fn is_written_without_spaces(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x2e80..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_never_operators() {
        assert_eq!(words("red FOX"), ("\"red\"* \"FOX\"*".to_owned(), Vec::new()));
        assert_eq!(words("a\" OR prompt:* NEAR(").0, "\"a\"\"\"* \"OR\"* \"prompt:*\"* \"NEAR(\"*");
        assert_eq!(words("100% ¯\\_ 猫").1, ["%¯\\\\\\_%", "%猫%"]);
        assert_eq!(words("  \0 "), (String::new(), Vec::new()));
    }
}
