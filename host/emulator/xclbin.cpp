#include "xclbin.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api_error.hpp"
#include "xml.hpp"

// Layout of the file: struct axlf in AMD's xclbin.h. All numbers are little-endian.
namespace accllm::emulator {

namespace {

constexpr std::size_t header_bytes = 456;  // struct axlf without its first section header
constexpr std::size_t section_header_bytes = 40;
constexpr std::size_t max_sections = 1024;
constexpr std::size_t max_entries = 65536;
constexpr std::size_t max_arguments = 1024;
constexpr std::size_t max_file_bytes = std::size_t{1} << 31;

enum SectionKind : std::uint32_t {
  embedded_metadata = 2,
  mem_topology = 6,
  connectivity = 7,
  ip_layout = 8,
  group_topology = 26,
  group_connectivity = 27,
};

[[noreturn]] void invalid(const std::string& what) { throw ApiError(EINVAL, "invalid xclbin: " + what); }

struct Bytes {
  const std::byte* data;
  std::size_t size;

  template <typename T>
  T read(std::size_t offset) const {
    if (offset > size || size - offset < sizeof(T)) invalid("a field lies outside its section");
    T value;
    std::memcpy(&value, data + offset, sizeof(T));
    return value;
  }

  Bytes slice(std::size_t offset, std::size_t bytes) const {
    if (offset > size || size - offset < bytes) invalid("a section or entry lies outside the file");
    return {data + offset, bytes};
  }

  /// Fixed-size field of characters, ended by the first null byte.
  std::string text(std::size_t offset, std::size_t bytes) const {
    const Bytes field = slice(offset, bytes);
    const char* begin = reinterpret_cast<const char*>(field.data);
    return std::string(begin, strnlen(begin, bytes));
  }
};

std::optional<Bytes> find_section(const Bytes& file, SectionKind kind) {
  const auto count = file.read<std::uint32_t>(448);
  if (count > max_sections) invalid(std::to_string(count) + " sections");
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes entry = file.slice(header_bytes + i * section_header_bytes, section_header_bytes);
    if (entry.read<std::uint32_t>(0) == kind)
      return file.slice(entry.read<std::uint64_t>(24), entry.read<std::uint64_t>(32));
  }
  return std::nullopt;
}

/// Calls `visit` with each entry of a count-prefixed section.
template <typename Visit>
void for_entries(const Bytes& section, std::size_t first, std::size_t entry_bytes, Visit visit) {
  const auto count = section.read<std::int32_t>(0);
  if (count < 0 || static_cast<std::size_t>(count) > max_entries)
    invalid("entry count " + std::to_string(count));
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    visit(section.slice(first + i * entry_bytes, entry_bytes));
}

std::vector<MemoryEntry> parse_memories(const Bytes& section) {
  std::vector<MemoryEntry> memories;
  for_entries(section, 8, 40, [&](const Bytes& entry) {
    const auto kibibytes = entry.read<std::uint64_t>(8);
    if (kibibytes > (std::uint64_t{1} << 40))
      invalid("a memory bank of " + std::to_string(kibibytes) + " KiB");
    memories.push_back({entry.text(24, 16), entry.read<std::uint8_t>(1) != 0, entry.read<std::uint64_t>(16),
                        kibibytes * 1024});
  });
  return memories;
}

std::uint64_t number(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text.c_str(), &end, 0);
  if (text.empty() || *end != '\0' || errno != 0) invalid("metadata holds '" + text + "' for a number");
  return value;
}

KernelDescription parse_kernel(const XmlElement& element) {
  KernelDescription kernel;
  kernel.name = element.attribute("name");
  for (const XmlElement& arg : element.children) {
    if (arg.name != "arg") continue;
    const std::uint64_t id = number(arg.attribute("id"));
    if (id >= max_arguments) invalid("argument index " + std::to_string(id));
    if (kernel.arguments.size() <= id) kernel.arguments.resize(id + 1);
    // Qualifiers: 0 scalar, 1 global, 2 constant, 3 local, 4 stream.
    const bool global = number(arg.attribute("addressQualifier")) == 1;
    kernel.arguments[id] = {arg.attribute("name"), arg.attribute("type"), global,
                            static_cast<std::uint32_t>(number(arg.attribute("offset"))),
                            static_cast<std::size_t>(number(arg.attribute("size")))};
  }
  for (const KernelArgument& argument : kernel.arguments)
    if (argument.name.empty()) invalid("kernel " + kernel.name + " misses an argument index");
  return kernel;
}

/// IP_LAYOUT names "kernel:instance", by index.
std::vector<std::string> parse_units(const Bytes& section) {
  std::vector<std::string> units;
  for_entries(section, 8, 80, [&](const Bytes& entry) {
    const bool is_kernel = entry.read<std::uint32_t>(0) == 1;
    units.push_back(is_kernel ? entry.text(16, 64) : std::string());
  });
  return units;
}

void connect(Xclbin& xclbin, const Bytes& connections, const std::vector<std::string>& units) {
  for_entries(connections, 4, 12, [&](const Bytes& entry) {
    const auto argument = entry.read<std::uint32_t>(0);
    const auto unit = entry.read<std::uint32_t>(4);
    const auto group = entry.read<std::uint32_t>(8);
    if (unit >= units.size()) invalid("connection to compute unit " + std::to_string(unit));
    if (group >= xclbin.groups.size()) invalid("connection to memory " + std::to_string(group));
    const std::string kernel_name = units[unit].substr(0, units[unit].find(':'));
    for (KernelDescription& kernel : xclbin.kernels) {
      if (kernel.name != kernel_name) continue;
      if (argument >= kernel.arguments.size()) invalid("connection of argument " + std::to_string(argument));
      kernel.arguments[argument].groups.push_back(group);
    }
  });
}

}  // namespace

std::string to_string(const Uuid& uuid) {
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(digits[uuid[i] >> 4]);
    text.push_back(digits[uuid[i] & 15]);
  }
  return text;
}

Xclbin parse_xclbin(std::vector<std::byte> image) {
  const Bytes file{image.data(), image.size()};
  if (file.size < header_bytes || std::memcmp(file.data, "xclbin2\0", 8) != 0)
    invalid("the file does not start with 'xclbin2'");
  Xclbin xclbin{};
  // Header fields lie at 304 (struct axlf_header): length, time stamps, version, mode, ids, platform, UUID.
  if (file.read<std::uint64_t>(304) > file.size) invalid("the file is shorter than its header says");
  xclbin.mode = file.read<std::uint16_t>(332);
  xclbin.platform = file.text(352, 64);
  std::memcpy(xclbin.uuid.data(), file.slice(416, 16).data, 16);

  const auto topology = find_section(file, mem_topology);
  const auto layout = find_section(file, ip_layout);
  const auto metadata = find_section(file, embedded_metadata);
  if (!topology || !layout || !metadata) invalid("MEM_TOPOLOGY, IP_LAYOUT or EMBEDDED_METADATA is missing");
  xclbin.memories = parse_memories(*topology);
  xclbin.groups = parse_memories(find_section(file, group_topology).value_or(*topology));

  const std::string_view xml(reinterpret_cast<const char*>(metadata->data), metadata->size);
  const XmlElement project = parse_xml(xml);
  if (project.name != "project") invalid("metadata is not a <project>");
  for (const XmlElement& element : project.child("platform").child("device").child("core").children)
    if (element.name == "kernel") xclbin.kernels.push_back(parse_kernel(element));

  const std::vector<std::string> units = parse_units(*layout);
  for (KernelDescription& kernel : xclbin.kernels)
    for (const std::string& unit : units)
      if (unit.compare(0, kernel.name.size() + 1, kernel.name + ":") == 0)
        kernel.instances.push_back(unit.substr(kernel.name.size() + 1));
  auto connections = find_section(file, group_connectivity);
  if (!connections) connections = find_section(file, connectivity);
  if (connections) connect(xclbin, *connections, units);

  xclbin.image = std::move(image);
  return xclbin;
}

Xclbin read_xclbin(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) throw ApiError(errno, "Failed to open file '" + path + "' for reading");
  std::vector<std::byte> image;
  std::byte block[65536];
  std::size_t got;
  while ((got = std::fread(block, 1, sizeof block, file.get())) != 0) {
    image.insert(image.end(), block, block + got);
    if (image.size() > max_file_bytes) throw ApiError(EFBIG, "'" + path + "' is over 2 GiB");
  }
  if (std::ferror(file.get())) throw ApiError(EIO, "Failed to read file '" + path + "'");
  return parse_xclbin(std::move(image));
}

}  // namespace accllm::emulator
