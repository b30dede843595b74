#ifndef SLUICE_TESTS_UNIT_STAGES_APPLY_INTRUDER_H_
#define SLUICE_TESTS_UNIT_STAGES_APPLY_INTRUDER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "pipeline/fs/file.h"
#include "pipeline/fs/unique_fd.h"
#include "pipeline/stages/apply/apply.h"
#include "tests/unit/fs/temp_tree.h"

namespace sluice {

// What may happen to a file between its plan and its being changed.
enum class Touch : std::uint8_t {
  kAppend,
  kTruncate,
  kRewrite,               // With the bytes that it has.
  kOverwrite,             // One byte; the size stays.
  kOverwriteSecretly,     // The modification time is set back; nobody can set the change time.
  kStoreMapped,           // Into a shared mapping.
  kStoreMappedUnnoticed,  // Into one that is dirty since before the plan: no time need move.
  kReplace,               // By rename.
  kReplaceBySame,         // By a file of the same content and times.
  kDelete,
  kHoldOpen,    // For writing; nothing is written.
  kHoldMapped,  // Likewise, without a descriptor: the kernel counts the mapping as a writer.
};
inline constexpr int kTouches = 12;
const char* NameOf(Touch touch);

// A shared mapping of the first byte of a file.
class Mapping final {
 public:
  explicit Mapping(const std::string& path);
  Mapping(Mapping&& other) noexcept : byte_(std::exchange(other.byte_, nullptr)) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  void Flip() { *byte_ = static_cast<char>(*byte_ ^ 1); }
  void Sync();

 private:
  volatile char* byte_ = nullptr;
};

// Somebody who touches one file, once. What it holds it holds as long as it lives.
class Intruder final {
 public:
  Intruder(const TempTree& tree, std::string name, Touch touch)
      : tree_(tree), name_(std::move(name)), path_(tree.Path(name_)), touch_(touch) {}

  void BeforeThePlan();
  // REQUIRES: the file is what was planned.
  void AfterThePlan(std::mt19937& random);

  Touch touch() const { return touch_; }
  // Why a copy that was touched so is skipped, and every copy of a source that was.
  SkipReason ReasonForCopy() const;
  SkipReason ReasonForSource(ApplyOptions::Verify verify) const;

 private:
  void Write(std::uint64_t offset, bool flip);
  void Replace(bool same);
  bool Holds() const { return touch_ == Touch::kHoldOpen || touch_ == Touch::kHoldMapped; }
  bool ShowsInModifyTime() const;

  const TempTree& tree_;
  const std::string name_;
  const std::string path_;
  const Touch touch_;
  FileStat planned_;
  std::optional<FileStat> seen_;  // Afterwards; none where it was deleted.
  UniqueFd held_;
  std::optional<Mapping> mapping_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_STAGES_APPLY_INTRUDER_H_
