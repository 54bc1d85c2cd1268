#include "xml.hpp"

#include <cerrno>
#include <cstdlib>

#include "api_error.hpp"

namespace accllm::emulator {

namespace {

constexpr int max_depth = 64;
constexpr int max_elements = 65536;

[[noreturn]] void malformed(const std::string& what) {
  throw ApiError(EINVAL, "xclbin metadata is not well-formed XML: " + what);
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool is_name(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':' || u >= 128;
}

std::string decode(std::string_view raw) {
  static const std::map<std::string_view, char> entities = {
      {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '&') {
      out.push_back(raw[i]);
      continue;
    }
    const std::size_t end = raw.find(';', i);
    if (end == std::string_view::npos || end - i > 8) malformed("unterminated entity");
    const std::string_view entity = raw.substr(i + 1, end - i - 1);
    if (entity.size() > 1 && entity[0] == '#') {
      const bool hex = entity[1] == 'x';
      const long code = std::strtol(std::string(entity.substr(hex ? 2 : 1)).c_str(), nullptr, hex ? 16 : 10);
      if (code <= 0 || code >= 128) malformed("character reference outside ASCII");
      out.push_back(static_cast<char>(code));
    } else {
      const auto known = entities.find(entity);
      if (known == entities.end()) malformed("unknown entity '" + std::string(entity) + "'");
      out.push_back(known->second);
    }
    i = end;
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  XmlElement document() {
    skip_misc();
    XmlElement root = element(0);
    skip_misc();
    if (at_ != text_.size()) malformed("content after the root element");
    return root;
  }

 private:
  bool starts(std::string_view token) const { return text_.substr(at_, token.size()) == token; }

  char peek() const {
    if (at_ >= text_.size()) malformed("unexpected end");
    return text_[at_];
  }

  void expect(std::string_view token) {
    if (!starts(token)) malformed("'" + std::string(token) + "' expected at byte " + std::to_string(at_));
    at_ += token.size();
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  void skip_past(std::string_view token) {
    const std::size_t end = text_.find(token, at_);
    if (end == std::string_view::npos) malformed("'" + std::string(token) + "' missing");
    at_ = end + token.size();
  }

  // White space, comments, processing instructions and a document type without internal subset.
  void skip_misc() {
    for (;;) {
      skip_space();
      if (starts("<!--"))
        skip_past("-->");
      else if (starts("<?"))
        skip_past("?>");
      else if (starts("<!DOCTYPE"))
        skip_past(">");
      else
        return;
    }
  }

  std::string name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == begin) malformed("name expected at byte " + std::to_string(begin));
    return std::string(text_.substr(begin, at_ - begin));
  }

  void attributes(XmlElement& element) {
    for (;;) {
      skip_space();
      if (peek() == '>' || peek() == '/') return;
      std::string key = name();
      skip_space();
      expect("=");
      skip_space();
      const char quote = peek();
      if (quote != '"' && quote != '\'') malformed("unquoted attribute");
      const std::size_t begin = ++at_;
      const std::size_t end = text_.find(quote, begin);
      if (end == std::string_view::npos) malformed("unterminated attribute");
      if (!element.attributes.emplace(std::move(key), decode(text_.substr(begin, end - begin))).second)
        malformed("attribute given twice in <" + element.name + ">");
      at_ = end + 1;
    }
  }

  XmlElement element(int depth) {
    if (depth > max_depth) malformed("nested too deeply");
    if (++elements_ > max_elements) malformed("too many elements");
    expect("<");
    XmlElement result;
    result.name = name();
    attributes(result);
    if (starts("/>")) {
      at_ += 2;
      return result;
    }
    expect(">");
    for (;;) {
      const std::size_t next = text_.find('<', at_);
      if (next == std::string_view::npos) malformed("<" + result.name + "> is not closed");
      at_ = next;
      if (starts("</")) {
        at_ += 2;
        if (name() != result.name) malformed("<" + result.name + "> is closed by another name");
        skip_space();
        expect(">");
        return result;
      }
      if (starts("<!--"))
        skip_past("-->");
      else if (starts("<![CDATA["))
        skip_past("]]>");
      else if (starts("<?"))
        skip_past("?>");
      else
        result.children.push_back(element(depth + 1));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int elements_ = 0;
};

}  // namespace

const std::string& XmlElement::attribute(const std::string& key) const {
  const auto found = attributes.find(key);
  if (found == attributes.end())
    throw ApiError(EINVAL, "xclbin metadata: <" + name + "> has no attribute '" + key + "'");
  return found->second;
}

const XmlElement& XmlElement::child(std::string_view key) const {
  for (const XmlElement& candidate : children)
    if (candidate.name == key) return candidate;
  throw ApiError(EINVAL, "xclbin metadata: <" + name + "> has no <" + std::string(key) + ">");
}

XmlElement parse_xml(std::string_view text) {
  // Writers pad the section with null bytes.
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  return Parser(text).document();
}

}  // namespace accllm::emulator
