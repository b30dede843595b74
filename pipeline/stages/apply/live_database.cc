#include "pipeline/stages/apply/live_database.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {
namespace {

constexpr std::array<std::string_view, 3> kCompanions = {"-wal", "-journal", "-shm"};

bool Exists(FsOps& fs, const PinnedFile& file, const std::string& name) {
  FileStat stat;
  return fs.StatAt(file.at.directory.get(), name, &stat) == 0;
}

bool IsDatabase(FsOps& fs, const PinnedFile& file) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  std::array<std::uint8_t, kMagic.size()> head{};
  std::size_t count = 0;
  if (fs.Read(file.fd.get(), 0, head, &count) != 0 || count != head.size()) return false;
  return std::string_view(reinterpret_cast<const char*>(head.data()), head.size()) == kMagic;
}

}  // namespace

bool IsLiveDatabase(FsOps& fs, const PinnedFile& file) {
  for (const std::string_view companion : kCompanions) {
    if (!std::string_view(file.at.name).ends_with(companion)) continue;
    if (Exists(fs, file, file.at.name.substr(0, file.at.name.size() - companion.size()))) {
      return true;
    }
  }
  if (!IsDatabase(fs, file)) return false;
  for (const std::string_view companion : kCompanions) {
    if (Exists(fs, file, file.at.name + std::string(companion))) return true;
  }
  return false;
}

}  // namespace sluice
