//! XMP (ISO 16684-1): that a picture is made by a trained model, in the words of the IPTC, and, where the format has no
//! text of its own, what this program must know to make it again.

use std::fmt::Write as _;

/// Names of ours have this namespace, and `instantstyle:` before them.
const NAMESPACE: &str = "urn:instantstyle:1/";

/// The packet, with properties of ours: their names, and JSON.
pub(super) fn packet(properties: &[(&str, &str)]) -> String {
    let mut own = String::new();
    for (name, json) in properties {
        // Writing to a string cannot fail.
        let _ = writeln!(own, "   <instantstyle:{name}>{}</instantstyle:{name}>", escaped(json));
    }
    let namespace = match own.is_empty() {
        true => String::new(),
        false => format!(" xmlns:instantstyle=\"{NAMESPACE}\""),
    };
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n \
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
         <rdf:Description rdf:about=\"\" xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"{namespace}>\n   \
         <Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia\
         </Iptc4xmpExt:DigitalSourceType>\n\
         {own}  \
         </rdf:Description>\n \
         </rdf:RDF>\n\
         </x:xmpmeta>\n\
         <?xpacket end=\"w\"?>"
    )
}

/// A property of ours, as an element or (as other programs may write it back) as an attribute.
pub(super) fn property(packet: &str, name: &str) -> Option<String> {
    let tag = format!("instantstyle:{name}");
    let mut rest = packet;
    loop {
        let (_, after) = rest.split_once(&tag)?;
        rest = after;
        if let Some(text) = after.strip_prefix('>') {
            return unescaped(text.split_once("</")?.0);
        }
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        for quote in ['"', '\''] {
            if let Some(text) = value.and_then(|value| value.strip_prefix(quote)) {
                return unescaped(text.split_once(quote)?.0);
            }
        }
    }
}

/// JSON in XML: nothing but ASCII (which JSON can always be, and XML cannot hold every character), and no markup.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A quotation mark is markup inside of an attribute only.
            ' '..='~' => out.push(c),
            // Outside of ASCII a JSON text has characters inside of strings only.
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';')?;
        out.push_str(before);
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_property_comes_back_however_it_is_written() {
        let json = "{\"prompt\":\"<a> & \\\"b\\\" 猫 🦊 \\u0001 ]]> \u{7f}\"}";
        let packet = packet(&[("Recipe", json)]);
        assert!(packet.is_ascii() || packet.chars().filter(|c| !c.is_ascii()).eq(['\u{feff}']));
        let read = property(&packet, "Recipe").unwrap();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&read), value(json));
        assert_eq!(property(&packet, "References"), None);
        let attribute = r#"<rdf:Description instantstyle:Recipe = '{&#34;a&#x22;:1}' x="y"/>"#;
        assert_eq!(property(attribute, "Recipe").unwrap(), r#"{"a":1}"#);
        for broken in
            ["instantstyle:Recipe", "instantstyle:Recipe>&amp", "instantstyle:Recipe=\"", "instantstyle:Recipe>&no;</"]
        {
            assert_eq!(property(broken, "Recipe"), None, "{broken}");
        }
    }
}
