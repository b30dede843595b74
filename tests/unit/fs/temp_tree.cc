#include "tests/unit/fs/temp_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/fs/path_text.h"

namespace sluice {

namespace {

void Require(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error("cannot prepare the test: " + what);
}

}  // namespace

TempTree::TempTree() : TempTree(testing::TempDir()) {}

TempTree::TempTree(const std::string& parent) {
  std::string name = JoinPath(parent, "sluice_XXXXXX");
  Require(::mkdtemp(name.data()) != nullptr, name);
  root_ = std::filesystem::canonical(name).string();
}

TempTree::~TempTree() {
  std::error_code ignored;  // What is left behind fails no test.
  std::filesystem::remove_all(root_, ignored);
}

std::string TempTree::Path(std::string_view name) const { return JoinPath(root_, name); }

std::string TempTree::Write(std::string_view name, std::string_view content) const {
  std::string path = Path(name);
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  Require(file.good(), path);
  return path;
}

std::string TempTree::MakeDirectory(std::string_view name) const {
  std::string path = Path(name);
  std::filesystem::create_directories(path);
  return path;
}

std::string TempTree::MakeSymlink(std::string_view name, const std::string& target) const {
  std::string path = Path(name);
  std::filesystem::create_symlink(target, path);
  return path;
}

std::string TempTree::MakeHardLink(std::string_view name, std::string_view existing) const {
  std::string path = Path(name);
  std::filesystem::create_hard_link(Path(existing), path);
  return path;
}

std::string TempTree::MakeFifo(std::string_view name) const {
  std::string path = Path(name);
  Require(::mkfifo(path.c_str(), 0600) == 0, path);
  return path;
}

void TempTree::Remove(std::string_view name) const { std::filesystem::remove_all(Path(name)); }

void TempTree::Rename(std::string_view from, std::string_view to) const {
  std::filesystem::rename(Path(from), Path(to));
}

FileStat TempTree::Stat(std::string_view name) const {
  FileStat stat;
  Require(StatAt(AT_FDCWD, Path(name).c_str(), &stat) == 0, Path(name));
  return stat;
}

AllowedRoots TempTree::Roots() const {
  auto roots = AllowedRoots::Open({root_});
  Require(roots.ok(), root_);
  return *std::move(roots);
}

DeepChain::DeepChain(std::string top, std::size_t levels, std::string name)
    : top_path_(std::move(top)),
      levels_(levels),
      name_(std::move(name)),
      top_(::open(top_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  UniqueFd at(::dup(top_.get()));
  for (std::size_t level = 0; level < levels_; ++level) {
    Require(::mkdirat(at.get(), name_.c_str(), 0700) == 0, "mkdirat");
    at = UniqueFd(::openat(at.get(), name_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd file(::openat(at.get(), "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    Require(file.valid(), "openat");
  }
}

// Moves the rest of the chain up one level at a time, so that no path grows long.
DeepChain::~DeepChain() {
  const int top = top_.get();
  const std::string file = name_ + "/f";
  const std::string below = name_ + "/" + name_;
  while (::unlinkat(top, file.c_str(), 0) == 0) {
    const bool deeper = ::renameat(top, below.c_str(), top, "rest") == 0;
    ::unlinkat(top, name_.c_str(), AT_REMOVEDIR);
    if (deeper) ::renameat(top, "rest", top, name_.c_str());
  }
}

std::string DeepChain::DeepestPath() const {
  std::string path = top_path_;
  for (std::size_t level = 0; level < levels_; ++level) path = JoinPath(path, name_);
  return path;
}

std::string FastTempDir() {
  const char* in_memory = "/dev/shm";
  return ::access(in_memory, W_OK) == 0 ? in_memory : testing::TempDir();
}

std::size_t CountOpenDescriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace sluice
