#ifndef SLUICE_PIPELINE_FS_FILE_READING_H_
#define SLUICE_PIPELINE_FS_FILE_READING_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/hasher.h"
#include "pipeline/fs/roots.h"
#include "pipeline/fs/unique_fd.h"

namespace sluice {

// A range of bytes of a file.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
};

// What a part of a file of this size is made of, in this order. The first may be empty.
std::array<Extent, 2> ExtentsOf(ContentPart part, std::uint64_t size);

// Reading must not move the access time, but only owners may ask for that.
AllowedRoots::OpenResult OpenForReading(const AllowedRoots& roots, const std::string& path);

// One try to digest a part of a file, as one version of it
// ========================================================
//
//   FileReading reading(request, version);
//   error = reading.Open(roots, -1);
//   while (!error && !reading.done()) error = reading.ReadSome(stop);
//   if (!error) error = reading.CheckVersion();
//   if (!error && reading.is_of_version()) reading.Finish();
//
// What is small is read without a look before, in one call: the look afterwards proves that the
// bytes are those of the version, since it would show any change from the time the version was seen
// until then. What is large is looked at first, so that nothing of another version is read in vain.
// Holes, of files that have any, are not read: zeros are digested in their place.
//
// The buffer is the thread's: nothing of it is kept from one ReadSome to the next, which may be
// called on another thread. Not thread-safe. Lifetime: `request` outlives it.
class FileReading final {
 public:
  FileReading(const DigestRequest& request, const FileStat& version);
  FileReading(const FileReading&) = delete;
  FileReading& operator=(const FileReading&) = delete;
  ~FileReading();

  // `opened`: a descriptor of the file, which stays the caller's; -1: opens it by its path.
  std::optional<ItemError> Open(const AllowedRoots& roots, int opened);
  // At most kYieldBytes. REQUIRES: opened. Throws Cancelled.
  std::optional<ItemError> ReadSome(const std::stop_token& stop);
  // All is read, or it has turned out that this is another version.
  bool done() const { return done_; }

  // REQUIRES (from here on): done. Fails for what is no regular file.
  std::optional<ItemError> CheckVersion();
  // REQUIRES (from here on): checked.
  bool is_of_version() const { return complete_ && SameVersion(version_, found_); }
  // What the file is now.
  const FileStat& found() const { return found_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  // Some of what is small was not in memory (or the file system does not tell).
  bool has_waited() const { return has_waited_; }
  bool kept() const { return kept_; }
  // REQUIRES: is_of_version(). Once.
  Digest Finish();

 private:
  int fd() const { return opened_ >= 0 ? opened_ : owned_.get(); }
  std::uint64_t size() const { return extents_[0].size() + extents_[1].size(); }
  std::optional<ItemError> Stat();
  std::optional<ItemError> ReadError(int error_number);
  std::optional<ItemError> ReadAtOnce();
  std::optional<ItemError> ReadExtent(const Extent& extent, std::span<std::uint8_t> to,
                                      std::uint64_t& filled);
  std::optional<ItemError> ReadOn(const std::stop_token& stop);
  void DigestZeros(std::uint64_t count);
  std::uint64_t HoleAt(std::uint64_t offset);  // Its bytes from there on; 0: there is none.
  void FindData(std::uint64_t from);
  ssize_t ReadFromMemory(std::uint64_t offset, std::span<std::uint8_t> to);
  int ReadData(std::uint64_t offset, std::span<std::uint8_t> to, std::uint64_t& count);
  void AddLiveBytes(std::uint64_t count);

  const DigestRequest& request_;
  FileStat version_;
  FileStat found_;
  std::array<Extent, 2> extents_;
  int opened_ = -1;
  UniqueFd owned_;

  // Where the file has bytes, around what is read; everywhere, if it has no holes.
  bool has_holes_ = false;
  Extent data_;

  std::optional<Digest> digest_;    // Of what was read at once ...
  std::unique_ptr<Hasher> hasher_;  // ... and of what is read on and on, up to at_.
  std::uint64_t at_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t live_bytes_ = 0;  // This reading's share of DigestRequest::reading.
  bool has_waited_ = false;
  bool kept_ = false;
  bool done_ = false;
  bool complete_ = false;  // There was as much as the version says, and no more.
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_FILE_READING_H_
