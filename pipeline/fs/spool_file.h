#ifndef SLUICE_PIPELINE_FS_SPOOL_FILE_H_
#define SLUICE_PIPELINE_FS_SPOOL_FILE_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "pipeline/fs/unique_fd.h"

namespace sluice {

// Values as they stand in memory, one after the other: read by the process that wrote them only.
template <typename V>
void AppendValue(const V& value, std::string* out) {
  static_assert(std::is_trivially_copyable_v<V>);
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename V>
V TakeValue(std::string_view* in) {
  static_assert(std::is_trivially_copyable_v<V> && std::is_default_constructible_v<V>);
  assert(in->size() >= sizeof(V));
  V value;
  std::memcpy(&value, in->data(), sizeof value);
  in->remove_prefix(sizeof value);
  return value;
}

void AppendBytes(std::string_view bytes, std::string* out);
std::string TakeBytes(std::string_view* in);

namespace internal {

// Bytes in an unlinked temporary file: written in order once, then read from any offset.
// Errors: StatusError RESOURCE_EXHAUSTED (no space, no descriptors), UNAVAILABLE (I/O).
// Reading is thread-safe once Flush has returned.
class SpoolFile final {
 public:
  static constexpr std::size_t kBufferBytes = 32 * 1024;

  explicit SpoolFile(const std::string& directory);

  void Append(std::string_view bytes);
  // With its size before it, for a SpoolReader.
  void AppendRecord(std::string_view record);
  // Ends the writing, and gives up the memory that it took.
  void Flush();

  // Bytes from `offset` on; fewer than asked for only at the end.
  std::size_t ReadAt(std::uint64_t offset, char* to, std::size_t size) const;

  std::uint64_t size() const { return written_ + buffer_.size(); }

 private:
  void WriteIfFull() {
    if (buffer_.size() >= kBufferBytes) WriteBuffer();
  }
  void WriteBuffer();

  UniqueFd fd_;
  std::string buffer_;
  std::uint64_t written_ = 0;
};

// A place in a SpoolFile of records. A copy goes on from the same place with a buffer of its own.
class SpoolReader final {
 public:
  // `buffer_bytes` are read at a time: fewer where places are far from each other.
  explicit SpoolReader(const SpoolFile& file, std::size_t buffer_bytes = SpoolFile::kBufferBytes)
      : file_(&file), buffer_bytes_(buffer_bytes) {}
  SpoolReader(const SpoolReader& other)
      : file_(other.file_), buffer_bytes_(other.buffer_bytes_), next_(other.next_) {}
  SpoolReader& operator=(const SpoolReader& other);
  SpoolReader(SpoolReader&&) noexcept = default;
  SpoolReader& operator=(SpoolReader&&) noexcept = default;
  ~SpoolReader() = default;

  // The next record, valid until the next call; nullopt at the end.
  std::optional<std::string_view> Next();

  // The offset of the next record, and going to that of another one.
  std::uint64_t offset() const { return next_; }
  void Seek(std::uint64_t offset) { next_ = offset; }
  // Whether the byte there has been read already.
  bool IsBuffered(std::uint64_t offset) const {
    return offset >= buffer_start_ && offset - buffer_start_ < buffer_.size();
  }

 private:
  // `size` bytes at next_, valid until the next call.
  std::string_view Peek(std::size_t size);

  const SpoolFile* file_;
  std::size_t buffer_bytes_;
  std::uint64_t next_ = 0;          // Offset of the next record.
  std::uint64_t buffer_start_ = 0;  // Offset of the first byte of buffer_.
  std::string buffer_;
};

}  // namespace internal
}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_SPOOL_FILE_H_
