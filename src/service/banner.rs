//! Products that name themselves in a line of text, and the version that follows the name. The words are those the
//! products' own sources print; what is not here stays unnamed.

/// (word in the text, product); the version is the number after the word.
const PRODUCTS: &[(&str, &str)] = &[
    ("Postfix", "Postfix"),
    ("Exim", "Exim"),
    ("Sendmail", "Sendmail"),
    ("OpenSMTPD", "OpenSMTPD"),
    ("Microsoft ESMTP MAIL Service", "Microsoft ESMTP"),
    ("Haraka", "Haraka"),
    ("MailEnable", "MailEnable"),
    ("hMailServer", "hMailServer"),
    ("Dovecot", "Dovecot"),
    ("Courier-IMAP", "Courier-IMAP"),
    ("Cyrus IMAP", "Cyrus IMAP"),
    ("Cyrus POP3", "Cyrus POP3"),
    ("vsFTPd", "vsftpd"),
    ("ProFTPD", "ProFTPD"),
    ("Pure-FTPd", "Pure-FTPd"),
    ("FileZilla Server", "FileZilla Server"),
    ("Microsoft FTP Service", "Microsoft FTP"),
    ("pyftpdlib", "pyftpdlib"),
];

/// Product and version, where the text names a known product.
pub(super) fn product(text: &str) -> Option<(String, Option<String>)> {
    let low = text.to_ascii_lowercase();
    PRODUCTS.iter().find_map(|(word, product)| {
        let at = low.find(&word.to_ascii_lowercase())?;
        let rest = text.get(at + word.len()..)?;
        // At most a few marks and the word `version` stand between a name and its number.
        let rest = rest.trim_start_matches([' ', '/', '-', ',', '(', ':', 'v', 'V']);
        let rest = rest.strip_prefix("ersion").unwrap_or(rest).trim_start_matches([':', ' ']);
        let version: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-+~".contains(*c)).collect();
        let version = version.trim_end_matches(['.', '-']).to_owned();
        let numbered = version.starts_with(|c: char| c.is_ascii_digit());
        Some(((*product).to_owned(), numbered.then_some(version)))
    })
}

/// Product and version of a text in which software names itself: `coturn-4.6.1 'x'`, `Asterisk PBX 18.10.0`,
/// `kamailio (5.6.3 (x86_64/linux))`, `Server/1.2`. The version begins with the first digit that stands behind a mark;
/// where there is none, the whole text is the product.
pub(super) fn named(text: &str) -> (String, Option<String>) {
    let marks = [' ', '/', '-', '(', '_'];
    let begins = |at: usize| text.get(..at).is_some_and(|before| before.ends_with(marks) && !before.trim().is_empty());
    let start = text.char_indices().find(|(at, c)| c.is_ascii_digit() && begins(*at)).map(|(at, _)| at);
    let (Some(product), Some(rest)) = (start.and_then(|at| text.get(..at)), start.and_then(|at| text.get(at..))) else {
        return (text.trim().to_owned(), None);
    };
    let version: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-+~".contains(*c)).collect();
    (product.trim_end_matches(marks).to_owned(), Some(version.trim_end_matches(['.', '-']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_itself() {
        for (text, product, version) in [
            ("Coturn-4.6.1 'Gorst'", "Coturn", Some("4.6.1")),
            ("Asterisk PBX 18.10.0", "Asterisk PBX", Some("18.10.0")),
            ("kamailio (5.6.3 (x86_64/linux))", "kamailio", Some("5.6.3")),
            ("FPBX-16", "FPBX", Some("16")),
            ("3CX Phone System", "3CX Phone System", None),
            ("a", "a", None),
            ("", "", None),
        ] {
            assert_eq!(named(text), (product.to_owned(), version.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn products_name_themselves() {
        for (text, want) in [
            ("mail.example ESMTP Exim 4.96 Mon, 01 Jan 2026", Some(("Exim", Some("4.96")))),
            ("mail.example ESMTP Postfix (Debian/GNU)", Some(("Postfix", None))),
            ("(vsFTPd 3.0.3)", Some(("vsftpd", Some("3.0.3")))),
            ("ProFTPD 1.3.5e Server (Debian)", Some(("ProFTPD", Some("1.3.5e")))),
            ("x Microsoft ESMTP MAIL Service, Version: 10.0.1 ready", Some(("Microsoft ESMTP", Some("10.0.1")))),
            ("hello", None),
        ] {
            let got = product(text);
            assert_eq!(got.as_ref().map(|(p, v)| (p.as_str(), v.as_deref())), want, "{text}");
        }
    }
}
