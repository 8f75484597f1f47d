//! The names that a user may have meant when a pattern found nothing.

use super::path;
use super::pattern::Pattern;

/// More suggestions than this help nobody.
const SUGGESTIONS_MAX: usize = 5;
/// Longer names are compared by their first characters: the distance takes the product of both lengths.
const COMPARED_CHARACTERS_MAX: usize = 64;

/// Up to 5 of `names`, the most similar to the pattern's last word first, each name once.
pub fn nearest<'n>(pattern: &Pattern, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let Some(wanted) = pattern.last_literal() else { return Vec::new() };
    let wanted: Vec<char> = wanted.to_lowercase().chars().take(COMPARED_CHARACTERS_MAX).collect();
    let tolerated = (wanted.len() / 2).clamp(1, 3);
    let mut row = Vec::new();
    let mut best: Vec<(usize, usize, &'n str)> = Vec::new();
    for name in names {
        let Some(reading) = path::readings(name).into_iter().next() else { continue };
        let mut words = reading.iter().rev().filter(|word| !path::is_closure(word)).take(2);
        let distance = words.by_ref().filter_map(|word| distance(&wanted, word, tolerated, &mut row)).min();
        let Some(distance) = distance else { continue };
        let entry = (distance, name.len(), name);
        if best.len() == SUGGESTIONS_MAX && best.last().is_some_and(|worst| *worst <= entry) || best.contains(&entry) {
            continue;
        }
        let at = best.partition_point(|other| *other < entry);
        best.insert(at, entry);
        best.truncate(SUGGESTIONS_MAX);
    }
    best.into_iter().map(|(_, _, name)| name).collect()
}

/// The names, those most similar to `wanted` first.
pub fn ordered(wanted: &str, names: Vec<String>) -> Vec<String> {
    let wanted: Vec<char> = wanted.to_lowercase().chars().take(COMPARED_CHARACTERS_MAX).collect();
    let mut row = Vec::new();
    let mut ordered: Vec<(usize, String)> = names
        .into_iter()
        .map(|name| (distance(&wanted, &name, wanted.len().max(3), &mut row).unwrap_or(usize::MAX), name))
        .collect();
    ordered.sort_by_key(|(distance, _)| *distance);
    ordered.into_iter().map(|(_, name)| name).collect()
}

/// Levenshtein's distance, ignoring case, if it is at most `tolerated`; a word that contains the wanted one
/// comes after all those.
fn distance(wanted: &[char], word: &str, tolerated: usize, row: &mut Vec<usize>) -> Option<usize> {
    let length = word.chars().count().min(COMPARED_CHARACTERS_MAX);
    if length + tolerated < wanted.len() {
        return None;
    }
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).take(COMPARED_CHARACTERS_MAX).collect();
    if length > wanted.len() + tolerated {
        let contained = wanted.len() > 2 && word.windows(wanted.len()).any(|window| window == wanted);
        return contained.then_some(tolerated + 1);
    }
    row.clear();
    row.extend(0..=word.len());
    for (i, wanted) in wanted.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, character) in row.iter_mut().skip(1).zip(&word) {
            let substituted = diagonal + usize::from(wanted != character);
            diagonal = *cell;
            left = substituted.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().filter(|distance| *distance <= tolerated)
}
