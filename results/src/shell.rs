//! Commands as a reader can paste them into a shell.

/// The words of a command in one line, those that a shell would split or expand in quotes.
pub fn line(words: &[String]) -> String {
    // What cannot be quoted is a NUL byte, which no argument of a process can contain.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// The words of such a line; `None` if its quotes do not end.
pub fn words(line: &str) -> Option<Vec<String>> {
    shlex::split(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_that_were_given() {
        for words in [
            vec!["c10m", "bench", "uring", "--arm", "io_uring gather", "--budget", "6m"],
            vec!["c10m", "load", "http://127.0.0.1:80/", "-k", "p99<5ms", "it's", "", "$HOME", "a\nb"],
        ] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf '%s\\0' {}", line(&words))])
                .output()
                .expect("a shell");
            let read: Vec<String> =
                String::from_utf8(output.stdout).expect("text").split_terminator('\0').map(str::to_owned).collect();
            assert_eq!(read, words);
            assert_eq!(super::words(&line(&words)), Some(words));
        }
        assert_eq!(super::words("it's"), None);
        let plain = ["c10m", "bench", "quick", "--seed", "1"].map(str::to_owned);
        assert_eq!(line(&plain), "c10m bench quick --seed 1");
    }
}
