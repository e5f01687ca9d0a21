#include "octile/codegen/ir/lexer.hpp"

#include <fmt/format.h>

#include <cctype>

namespace octile::ir {
namespace {

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
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
