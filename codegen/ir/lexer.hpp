// Splits the textual form of the IR into tokens with their places. For parser.cpp.
#pragma once

#include <string>
#include <string_view>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

enum class TokenKind : std::uint8_t { word, value, number, text, mark, end };

/// One token. `value` is "%name" with the '%' left out; `text` is a string without its quotes and
/// escapes; `number` keeps its sign and spelling ("-inf" and "nan" included).
struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  int line = 1;
  int column = 1;

  /// As an error message shows it: "'BM'", "the end of the text".
  std::string shown() const;
};

/// Reads tokens one by one with one token of look-ahead; what isn't there as expected is an Error.
/// Comments run from "//" to the line's end.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { advance(); }

  const Token& peek() const { return token_; }
  Token take();
  Token take(TokenKind kind, std::string_view expected);

  // A mark is one character of punctuation, a word a name or keyword. `accept` takes it if there.
  bool at_mark(std::string_view mark) const;
  bool accept_mark(std::string_view mark);
  bool accept_word(std::string_view word);
  void expect_mark(std::string_view mark);
  void expect_word(std::string_view word);

  std::int64_t integer(std::string_view expected);
  /// A finite float, inf, -inf or nan.
  float real();

  /// Throws Error "line L, column C: expected ..., got ..." about `token`.
  [[noreturn]] static void fail(const Token& token, std::string_view expected);
  [[noreturn]] void fail(std::string_view expected) const { fail(token_, expected); }

 private:
  void advance();
  void skip_blanks();
  char at(std::size_t ahead = 0) const;
  void step();
  void read_string();

  std::string_view text_;
  std::size_t place_ = 0;
  int line_ = 1;
  int column_ = 1;
  Token token_;
};

}  // namespace octile::ir
