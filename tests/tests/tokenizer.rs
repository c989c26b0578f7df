//! Tokenizers against what the sentencepiece library recorded (fixtures/tokenizer/generate.py), and against files that lie.

use std::path::{Path, PathBuf};

use imagen_engine::models::text::{Padding, SentencePiece, TextError, TextTokenizer};
use imagen_tests::repo;
use serde::Deserialize;

fn fixtures() -> PathBuf {
    repo().join("tests/fixtures")
}

fn parity_model() -> Vec<u8> {
    std::fs::read(fixtures().join("parity/tokenizer/tokenizer/spiece.model")).expect("the parity case's model")
}

#[derive(Deserialize)]
struct Recorded {
    text: String,
    ids: Vec<u32>,
}

fn assert_recorded(model: &[u8], name: &str) {
    let model = SentencePiece::parse(model).expect("a sentencepiece model");
    let text = std::fs::read_to_string(fixtures().join("tokenizer").join(name)).expect("a recording");
    let recorded: Vec<Recorded> = serde_json::from_str(&text).expect("a recording");
    assert!(recorded.len() >= 60);
    for case in recorded {
        assert_eq!(model.encode(&case.text), case.ids, "{name}: {:?}", case.text);
    }
}

#[test]
fn random_unicode_gives_sentencepieces_ids() {
    assert_recorded(&parity_model(), "parity.json");
}

#[test]
fn user_defined_symbols_and_suffix_spaces_give_sentencepieces_ids() {
    for name in ["user-defined", "suffix"] {
        let path = fixtures().join("tokenizer").join(format!("{name}.model"));
        assert_recorded(&std::fs::read(path).expect("a model"), &format!("{name}.json"));
    }
}

/// The genuine vocabulary of T5 is not ours to commit: `IMAGEN_T5_SPIECE=FILE`, or where the founders' data lies.
fn t5_model() -> Option<PathBuf> {
    let given = std::env::var_os("IMAGEN_T5_SPIECE").map(PathBuf::from);
    let shared = ["shared/data/t5/spiece.model", "../shared/data/t5/spiece.model", "../../shared/data/t5/spiece.model"];
    let found = given.or_else(|| shared.iter().map(|path| repo().join(path)).find(|path| path.is_file()));
    if found.is_none() {
        println!("left out: no genuine spiece.model of T5 (set IMAGEN_T5_SPIECE)");
    }
    found
}

#[test]
fn genuine_t5_vocabulary() {
    let Some(path) = t5_model() else { return };
    assert_recorded(&std::fs::read(&path).expect("spiece.model"), "t5.json");
    let tokenizer = TextTokenizer::open(&path).expect("opens");
    assert_eq!(tokenizer.vocab_size(), 32000);
    let tokens = tokenizer.tokenize(&["A photo of a corgi dog".into()], 12, Padding::Max).expect("tokenizes");
    assert_eq!(tokens.ids, [[71, 1202, 13, 3, 9, 4301, 122, 23, 1782, 1, 0, 0]]);
    assert_eq!(tokens.counts, [10]);
}

#[test]
fn texts_are_cut_and_filled_up() {
    let path = fixtures().join("parity/tokenizer/tokenizer/spiece.model");
    let tokenizer = TextTokenizer::open(&path).expect("opens");
    let texts = ["small", "", "oil sitting yellow photo"].map(String::from);
    let tokens = tokenizer.tokenize(&texts, 3, Padding::Max).expect("tokenizes");
    assert_eq!(tokens.ids, [[39, 1, 0], [1, 0, 0], [5, 34, 1]]);
    assert_eq!(tokens.mask, [[true, true, false], [true, false, false], [true, true, true]]);
    assert_eq!((tokens.counts.clone(), tokens.cut()), (vec![2, 1, 5], vec![0, 0, 2]));
    let longest = tokenizer.tokenize(&texts[..2], 77, Padding::Longest).expect("tokenizes");
    assert_eq!(longest.ids, [[39, 1], [1, 0]]);
    assert_eq!(tokenizer.tokenize(&texts[..1], 0, Padding::Max).expect("tokenizes").ids, [[1]]);
}

#[test]
fn a_text_cannot_write_special_tokens() {
    let model = SentencePiece::parse(&parity_model()).expect("a model");
    let ids = model.encode("</s> <pad> <unk>");
    assert!(!ids.contains(&model.eos()) && !ids.contains(&model.pad()), "{ids:?}");
}

#[test]
fn megabytes_and_control_characters_are_text() {
    let path = fixtures().join("parity/tokenizer/tokenizer/spiece.model");
    let tokenizer = TextTokenizer::open(&path).expect("opens");
    let control: String = (0..0xa0).filter_map(char::from_u32).collect();
    let texts =
        ["red cat ".repeat(1 << 17), "\u{0}".repeat(1 << 19) + &"\u{7}".repeat(1 << 19), control, "🐈\u{fdfa}".repeat(1 << 17)];
    let tokens = tokenizer.tokenize(&texts, 77, Padding::Max).expect("tokenizes");
    assert!(tokens.ids.iter().all(|row| row.len() == 77));
    assert_eq!(tokens.counts[0], (1 << 18) + 1);
    assert_eq!(tokens.ids[0][76], 1, "the closing token is kept");
    assert_eq!(tokens.counts[1], 3, "a space, one unknown for all NULs, nothing for BEL, the end");
}

#[test]
fn every_cut_of_a_model_is_refused() {
    let model = parity_model();
    // Past the pieces and both settings the file holds nothing that is needed: the last fields may be gone.
    let needed = model.len() - 16;
    for length in (0..2048).chain((2048..needed).step_by(997)) {
        assert!(SentencePiece::parse(&model[..length]).is_err(), "{length} bytes of {}", model.len());
    }
}

#[test]
fn no_changed_byte_of_a_model_panics() {
    let small = std::fs::read(fixtures().join("tokenizer/user-defined.model")).expect("a model");
    for at in 0..small.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut model = small.clone();
            model[at] ^= change;
            if let Ok(model) = SentencePiece::parse(&model) {
                model.encode("a red ph to of blue éa  x 雪");
            }
        }
    }
    let large = parity_model();
    for at in (0..large.len()).step_by(1999) {
        let mut model = large.clone();
        model[at] ^= 0x55;
        if let Ok(model) = SentencePiece::parse(&model) {
            model.encode("ｆｕｌｌ ﬁsh ½ é  a\tb 雪 🐈");
        }
    }
}

/// One field of a protobuf message: key and a length-delimited body.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).expect("a short body");
    [&[number << 3 | 2, length][..], body].concat()
}

fn piece(text: &[u8], score: f32, kind: u8) -> Vec<u8> {
    let body = [field(1, text), [&[0x15][..], &score.to_le_bytes()].concat(), vec![0x18, kind]].concat();
    field(1, &body)
}

/// A whole model of these pieces; `trainer` is the body of its settings.
fn model(pieces: &[Vec<u8>], trainer: &[u8]) -> Vec<u8> {
    [pieces.concat(), field(2, trainer), field(3, &[])].concat()
}

fn specials() -> Vec<Vec<u8>> {
    vec![piece(b"<pad>", 0.0, 3), piece(b"</s>", 0.0, 3), piece(b"<unk>", 0.0, 2)]
}

#[test]
fn hand_made_models_say_what_is_wrong() {
    let with = |extra: Vec<u8>| [specials(), vec![extra]].concat();
    let good = model(&with(piece(b"a", -1.0, 1)), &[]);
    assert_eq!(SentencePiece::parse(&good).expect("a model").encode("aa"), [2, 3, 3], "the leading space is no piece here");
    let cases: &[(Vec<u8>, &str)] = &[
        (Vec::new(), "not a whole"),
        (b"{\"version\":\"1.0\"}".to_vec(), "not a whole"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(), "not a whole"),
        (model(&with(piece(b"a", -1.0, 1)), &[0x18, 2]), "model type 2"),
        (model(&with(piece(b"a", -1.0, 1)), &[0x98, 0x02, 1]), "bytes"),
        (model(&with(piece(b"<0x0A>", 0.0, 6)), &[]), "bytes"),
        (model(&with(piece(b"", -1.0, 1)), &[]), "empty"),
        (model(&with(piece(b"a", f32::NAN, 1)), &[]), "finite"),
        (model(&with(piece(b"a", -1.0, 9)), &[]), "not a whole"),
        (model(&with(piece(b"\xff", -1.0, 1)), &[]), "not a whole"),
        (model(&[with(piece(b"a", -1.0, 1)), vec![piece(b"a", -2.0, 1)]].concat(), &[]), "twice"),
        (model(&with(piece(b"<unk>", 0.0, 2)), &[]), "more than one piece <unk>"),
        (model(&specials()[..2], &[]), "no piece <unk>"),
        (model(&specials()[1..], &[]), "no piece <pad>"),
        ([specials().concat(), field(2, &[])].concat(), "not a whole"),
    ];
    for (file, part) in cases {
        let error = SentencePiece::parse(file).map(|_| ()).expect_err(part);
        assert!(error.contains(part), "{error} for {part}");
    }
}

/// BERT's tokenizer with a vocabulary of eight, its own cutting and filling up set to get in the way.
const WORD_PIECE: &str = r###"{"version":"1.0",
 "truncation":{"max_length":3,"strategy":"LongestFirst","stride":0,"direction":"Right"},
 "padding":{"strategy":{"Fixed":9},"direction":"Right","pad_to_multiple_of":null,"pad_id":5,"pad_type_id":0,"pad_token":"[PAD]"},
 "added_tokens":[
  {"id":0,"content":"[PAD]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
  {"id":1,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
  {"id":2,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
  {"id":3,"content":"[SEP]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
 "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
 "pre_tokenizer":{"type":"BertPreTokenizer"},
 "post_processor":{"type":"TemplateProcessing",
  "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
  "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
  "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}},
 "decoder":null,
 "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
  "vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"red":4,"app":5,"##le":6,"a":7}}}"###;

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("writes");
    path
}

#[test]
fn tokenizer_json_is_cut_and_filled_up_by_us() {
    let dir = tempfile::tempdir().expect("a folder");
    let tokenizer = TextTokenizer::open(&write(dir.path(), "tokenizer.json", WORD_PIECE.as_bytes())).expect("opens");
    assert_eq!(tokenizer.vocab_size(), 8);
    let texts = ["", "A réd APPLE", "a a a a a a a a", "\u{7}\u{0}"].map(String::from);
    let tokens = tokenizer.tokenize(&texts, 6, Padding::Longest).expect("tokenizes");
    assert_eq!(tokens.ids, [[2, 3, 0, 0, 0, 0], [2, 7, 4, 5, 6, 3], [2, 7, 7, 7, 7, 3], [2, 3, 0, 0, 0, 0]]);
    assert_eq!(tokens.counts, [2, 6, 10, 2]);
    let long = tokenizer.tokenize(&["red ".repeat(1 << 18)], 64, Padding::Longest).expect("tokenizes");
    assert_eq!((long.ids[0].len(), long.ids[0][63], long.counts[0]), (64, 3, (1 << 18) + 2));
}

#[test]
fn no_changed_byte_of_a_tokenizer_json_panics() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut opened = 0;
    for at in 0..WORD_PIECE.len() {
        for change in [0x01, 0x10] {
            let mut bytes = WORD_PIECE.as_bytes().to_vec();
            bytes[at] ^= change;
            let Ok(tokenizer) = TextTokenizer::open(&write(dir.path(), "tokenizer.json", &bytes)) else { continue };
            opened += 1;
            let _ = tokenizer.tokenize(&["A réd APPLE 雪 [SEP]".into()], 4, Padding::Longest);
        }
    }
    assert!(opened > 0, "a changed word of the vocabulary is a good file");
}

#[test]
fn broken_files_are_typed_errors() {
    let dir = tempfile::tempdir().expect("a folder");
    for length in (0..WORD_PIECE.len()).step_by(7) {
        let path = write(dir.path(), "tokenizer.json", &WORD_PIECE.as_bytes()[..length]);
        assert!(matches!(TextTokenizer::open(&path), Err(TextError::Tokenizer { .. })), "{length} bytes");
    }
    let foreign = write(dir.path(), "spiece.model", WORD_PIECE.as_bytes());
    let error = TextTokenizer::open(&foreign).expect_err("a tokenizer.json by another name").to_string();
    assert!(error.contains("spiece.model") && error.contains("not a whole sentencepiece model"), "{error}");
    assert!(matches!(TextTokenizer::open(&dir.path().join("none.model")), Err(TextError::Weights(_))));
}
