#include "octile/codegen/ir/lexer.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <limits>

namespace octile::ir {
namespace {

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// True when the whole of `text` is a number that fits.
template <typename Number>
bool read_number(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

}  // namespace

std::string Token::shown() const {
  switch (kind) {
    case TokenKind::end:
      return "the end of the text";
    case TokenKind::value:
      return fmt::format("'%{}'", text);
    case TokenKind::text:
      return fmt::format("\"{}\"", text);
    default:
      return fmt::format("'{}'", text);
  }
}

void Lexer::fail(const Token& token, std::string_view expected) {
  throw Error(fmt::format("line {}, column {}: expected {}, got {}", token.line, token.column,
                          expected, token.shown()));
}

Token Lexer::take() {
  Token taken = std::move(token_);
  advance();
  return taken;
}

Token Lexer::take(TokenKind kind, std::string_view expected) {
  if (token_.kind != kind) fail(expected);
  return take();
}

bool Lexer::at_mark(std::string_view mark) const {
  return token_.kind == TokenKind::mark && token_.text == mark;
}

bool Lexer::accept_mark(std::string_view mark) {
  const bool there = at_mark(mark);
  if (there) advance();
  return there;
}

bool Lexer::accept_word(std::string_view word) {
  const bool there = token_.kind == TokenKind::word && token_.text == word;
  if (there) advance();
  return there;
}

void Lexer::expect_mark(std::string_view mark) {
  if (!accept_mark(mark)) fail(fmt::format("'{}'", mark));
}

void Lexer::expect_word(std::string_view word) {
  if (!accept_word(word)) fail(fmt::format("'{}'", word));
}

std::int64_t Lexer::integer(std::string_view expected) {
  const Token token = take(TokenKind::number, expected);
  std::int64_t value = 0;
  if (!read_number(token.text, value)) fail(token, expected);
  return value;
}

float Lexer::real() {
  constexpr std::string_view kExpected = "a number, inf or nan";
  if (accept_word("nan")) return std::numeric_limits<float>::quiet_NaN();
  if (accept_word("inf")) return std::numeric_limits<float>::infinity();
  const Token token = take(TokenKind::number, kExpected);
  float value = 0;
  if (!read_number(token.text, value)) fail(token, kExpected);
  return value;
}

char Lexer::at(std::size_t ahead) const {
  return place_ + ahead < text_.size() ? text_[place_ + ahead] : '\0';
}

void Lexer::step() {
  if (at() == '\n') {
    ++line_;
    column_ = 1;
  } else {
    ++column_;
  }
  ++place_;
}

void Lexer::skip_blanks() {
  while (place_ < text_.size()) {
    if (at() == '/' && at(1) == '/') {
      while (place_ < text_.size() && at() != '\n') step();
    } else if (std::isspace(static_cast<unsigned char>(at())) != 0) {
      step();
    } else {
      return;
    }
  }
}

void Lexer::read_string() {
  step();
  while (at() != '"') {
    if (place_ >= text_.size() || at() == '\n') {
      token_.kind = TokenKind::end;
      token_.line = line_;
      token_.column = column_;
      fail(token_, "a closing '\"'");
    }
    if (at() == '\\') {
      step();
      token_.text += at() == 'n' ? '\n' : at();
    } else {
      token_.text += at();
    }
    step();
  }
  step();
}

void Lexer::advance() {
  skip_blanks();
  token_ = Token{TokenKind::end, "", line_, column_};
  if (place_ >= text_.size()) return;
  const char first = at();
  const auto take_while = [&](const auto& wanted) {
    while (place_ < text_.size() && wanted(at())) {
      token_.text += at();
      step();
    }
  };
  if (first == '"') {
    token_.kind = TokenKind::text;
    read_string();
  } else if (first == '%') {
    token_.kind = TokenKind::value;
    step();
    take_while(is_word);
    if (token_.text.empty()) fail(token_, "a value's name after '%'");
  } else if (is_digit(first) || (first == '-' && is_word(at(1)))) {
    token_.kind = TokenKind::number;
    token_.text += first;
    step();
    // The sign of an exponent belongs to the number: 1e-05.
    take_while([&](char c) {
      const char last = token_.text.back();
      return is_word(c) || c == '.' || ((c == '-' || c == '+') && (last == 'e' || last == 'E'));
    });
  } else if (is_word(first)) {
    token_.kind = TokenKind::word;
    take_while(is_word);
  } else {
    token_.kind = TokenKind::mark;
    token_.text = first;
    step();
  }
}

}  // namespace octile::ir
