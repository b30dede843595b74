#ifndef SLUICE_TESTS_UNIT_FS_TEMP_TREE_H_
#define SLUICE_TESTS_UNIT_FS_TEMP_TREE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "pipeline/fs/file.h"
#include "pipeline/fs/roots.h"

namespace sluice {

// A directory for one test, which goes with all that is in it.
// Names are relative to it; the directories of a name that is written are made.
class TempTree final {
 public:
  TempTree();
  explicit TempTree(const std::string& parent);
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;
  ~TempTree();

  const std::string& root() const { return root_; }
  std::string Path(std::string_view name) const;

  // All return the absolute path.
  std::string Write(std::string_view name, std::string_view content = {}) const;
  std::string MakeDirectory(std::string_view name) const;
  std::string MakeSymlink(std::string_view name, const std::string& target) const;
  std::string MakeHardLink(std::string_view name, std::string_view existing) const;
  std::string MakeFifo(std::string_view name) const;

  void Remove(std::string_view name) const;
  void Rename(std::string_view from, std::string_view to) const;
  FileStat Stat(std::string_view name) const;

  // The only allowed root is this tree.
  AllowedRoots Roots() const;

 private:
  std::string root_;
};

// A chain of `levels` directories of the same name in `top`, with a file "f" in each: paths of any
// length, so made and removed by steps relative to a descriptor.
class DeepChain final {
 public:
  DeepChain(std::string top, std::size_t levels, std::string name = "d");
  DeepChain(const DeepChain&) = delete;
  DeepChain& operator=(const DeepChain&) = delete;
  ~DeepChain();

  // Absolute path of the deepest directory.
  std::string DeepestPath() const;

 private:
  const std::string top_path_;
  const std::size_t levels_;
  const std::string name_;
  UniqueFd top_;
};

// Where very many files cost little: memory, where there is such a file system.
std::string FastTempDir();

// Descriptors that this process has open.
std::size_t CountOpenDescriptors();

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_FS_TEMP_TREE_H_
