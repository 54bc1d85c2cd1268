#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace accllm::emulator {

/// An element of an XML document: name, attributes, child elements. Text between elements is dropped, because
/// the metadata of an xclbin carries none.
struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::vector<XmlElement> children;

  /// Attribute's value; throws ApiError (EINVAL) naming element and attribute when it is absent.
  const std::string& attribute(const std::string& key) const;
  /// First child of that name; throws ApiError (EINVAL) when there is none.
  const XmlElement& child(std::string_view key) const;
};

/// Parses a document (UTF-8, no DTD entities beyond the five predefined and numeric ones below 128).
/// Throws ApiError (EINVAL) on anything malformed, on nesting deeper than 64 and on more than 65536 elements.
XmlElement parse_xml(std::string_view text);

}  // namespace accllm::emulator
