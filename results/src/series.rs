//! A table of comma-separated values (RFC 4180) from anything that has a JSON form: one row per value, one column per
//! key. It knows no column names, so fields that are added to the JSON appear in the table.
//!
//! The name of a nested column joins the keys that lead to it: `{"response_us": {"p50": 1}}` has the column
//! `response_us_p50`. A value that is null or absent is an empty cell.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;

/// The keys that lead to a cell, outermost first.
type Path = Vec<String>;

/// The table of `rows`. The columns are those of `T::default()` in their order, with `first` in front. Columns that
/// only some rows have come last. A table without rows still has its header.
///
/// # Errors
/// When a row has no JSON form.
pub fn csv<T: Serialize + Default>(first: &[&str], rows: &[T]) -> serde_json::Result<String> {
    table(first, cells(&T::default())?, rows)
}

/// The same with the columns that the rows have, in the order in which they come.
///
/// # Errors
/// When a row has no JSON form.
pub fn csv_of_rows<T: Serialize>(first: &[&str], rows: &[T]) -> serde_json::Result<String> {
    table(first, vec![], rows)
}

fn table<T: Serialize>(first: &[&str], usual: Vec<(Path, String)>, rows: &[T]) -> serde_json::Result<String> {
    let rows = rows.iter().map(cells).collect::<serde_json::Result<Vec<_>>>()?;
    let mut columns: Vec<Path> = Vec::new();
    for (path, _) in usual.into_iter().chain(rows.iter().flatten().cloned()) {
        if !columns.contains(&path) {
            columns.push(path);
        }
    }
    // If a key is null in one row and an object in another, only the object gives columns.
    let is_object =
        |path: &Path| columns.iter().any(|other| other.len() > path.len() && other[..path.len()] == path[..]);
    let mut columns: Vec<Path> = columns.iter().filter(|path| !is_object(path)).cloned().collect();
    // The sort is stable: columns that are not among `first` keep their order.
    columns.sort_by_key(|path| first.iter().position(|name| *name == path.join("_")).unwrap_or(first.len()));

    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(","));
        text.push('\n');
    };
    line(columns.iter().map(|path| quoted(&path.join("_"))).collect());
    for row in rows {
        let row: HashMap<Path, String> = row.into_iter().collect();
        line(columns.iter().map(|path| row.get(path).map_or_else(String::new, |cell| quoted(cell))).collect());
    }
    Ok(text)
}

/// Quotes a cell that could be taken for more than one.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// The cells of one row, in the order of its keys.
fn cells<T: Serialize>(value: &T) -> serde_json::Result<Vec<(Path, String)>> {
    let node: Node = serde_json::from_str(&serde_json::to_string(value)?)?;
    let mut cells = Vec::new();
    node.flatten(Path::new(), &mut cells);
    Ok(cells)
}

/// A JSON value that keeps the order of its keys; `serde_json::Value` sorts them.
enum Node {
    Scalar(String),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn flatten(self, path: Path, cells: &mut Vec<(Path, String)>) {
        match self {
            Node::Scalar(text) => cells.push((path, text)),
            Node::Object(entries) => entries.into_iter().for_each(|(name, node)| {
                node.flatten(path.iter().cloned().chain([name]).collect(), cells);
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(String::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Object(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(node) = sequence.next_element()? {
            entries.push((entries.len().to_string(), node));
        }
        Ok(Node::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default, Clone, serde::Serialize)]
    struct Times {
        count: u64,
        p50: Option<f64>,
    }

    #[derive(Default, Clone, serde::Serialize)]
    struct Row {
        phase: String,
        start_us: i64,
        share: f64,
        response_us: Times,
        kernel: Option<BTreeMap<String, u64>>,
        errors: BTreeMap<String, u64>,
        cpus: Vec<u32>,
    }

    #[test]
    fn keys_become_columns_and_null_becomes_nothing() {
        let plain = Row { phase: "warm_up".into(), start_us: -500_000, share: 0.25, ..Row::default() };
        let full = Row {
            phase: "a \"b\", c".into(),
            start_us: 0,
            share: f64::NAN,
            response_us: Times { count: 7, p50: Some(12.5) },
            kernel: Some([("drops".to_owned(), 3)].into()),
            errors: [("ECONNRESET".to_owned(), 1)].into(),
            cpus: vec![2, 3],
        };
        let expected = "\
start_us,phase,share,response_us_count,response_us_p50,kernel_drops,errors_ECONNRESET,cpus_0,cpus_1
-500000,warm_up,0.25,0,,,,,
0,\"a \"\"b\"\", c\",,7,12.5,3,1,2,3
";
        assert_eq!(csv(&["start_us", "phase"], &[plain, full]).unwrap(), expected);
    }

    #[test]
    fn without_rows_there_is_still_a_header() {
        assert_eq!(
            csv::<Row>(&["start_us"], &[]).unwrap(),
            "start_us,phase,share,response_us_count,response_us_p50,kernel\n"
        );
    }
}
