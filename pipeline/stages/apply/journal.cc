#include "pipeline/stages/apply/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include <xxhash.h>

#include "pipeline/fs/fs_ops.h"
#include "pipeline/fs/path_text.h"
#include "pipeline/stages/apply/journal_record.h"

namespace sluice {

// The file
// ========
//
//   magic, then records: size of the body (4 bytes, lowest first), its XXH3 (8 bytes), the body
//
// The magic ends with the version. It is written when the directory entry of the new file is
// durable, and durable before anything else is written: a file with less than a magic was never
// used.
namespace {

constexpr std::string_view kMagic("sluiceJ\1", 8);
constexpr std::size_t kVersionAt = 7;
constexpr std::size_t kSizeBytes = 4;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kHeadBytes = kSizeBytes + kChecksumBytes;

absl::Status IoError(std::string_view operation, int error_number) {
  const std::string message = absl::StrCat("apply journal: ", std::string(operation), ": ",
                                           std::generic_category().message(error_number));
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

int WriteAt(int fd, std::uint64_t offset, std::string_view bytes) {
  return SystemFsOps().Write(fd, offset,
                             {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

int SyncData(int fd) {
  while (::fdatasync(fd) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// The error that `operation` ended with, or ok.
absl::Status StatusOf(std::string_view operation, int error_number) {
  return error_number == 0 ? absl::OkStatus() : IoError(operation, error_number);
}

absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags) {
  constexpr mode_t kOwnerOnly = 0600;
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, kOwnerOnly));
  if (!fd.valid()) return IoError(absl::StrCat("open ", PrintablePath(path)), errno);
  return fd;
}

void PutLittleEndian(std::uint64_t value, std::size_t size, std::string* to) {
  for (std::size_t i = 0; i < size; ++i) to->push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t LittleEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

// A record as it stands in the file.
std::string Framed(std::string_view body) {
  std::string framed;
  framed.reserve(kHeadBytes + body.size());
  PutLittleEndian(body.size(), kSizeBytes, &framed);
  PutLittleEndian(XXH3_64bits(body.data(), body.size()), kChecksumBytes, &framed);
  return framed.append(body);
}

// A place in a file of records, which may be growing. Lifetime: the descriptor outlives it.
class Scanner final {
 public:
  explicit Scanner(int fd) : fd_(fd) {}

  // Where the next record begins, or would.
  std::uint64_t offset() const { return offset_; }

  // Body of the next record, valid until the next call; nullopt where no whole one follows (yet).
  absl::StatusOr<std::optional<std::string_view>> Next() {
    absl::StatusOr<std::string_view> bytes = Peek(kHeadBytes);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < kHeadBytes) return Nothing();
    const std::uint64_t body_size = LittleEndian(bytes->substr(0, kSizeBytes));
    const std::uint64_t checksum = LittleEndian(bytes->substr(kSizeBytes));
    if (body_size > kMaxJournalRecordBytes) return Nothing();

    const std::size_t size = kHeadBytes + static_cast<std::size_t>(body_size);
    bytes = Peek(size);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < size) return Nothing();
    const std::string_view body = bytes->substr(kHeadBytes);
    if (XXH3_64bits(body.data(), body.size()) != checksum) return Nothing();
    offset_ += size;
    return body;
  }

 private:
  static constexpr std::size_t kBufferBytes = 64 * 1024;

  // `size` bytes from offset_ on, fewer at the end of the file. Valid until the next call.
  absl::StatusOr<std::string_view> Peek(std::size_t size) {
    if (offset_ + size > buffer_start_ + buffer_.size()) {
      buffer_.resize(std::max(size, kBufferBytes));
      std::size_t count = 0;
      const int error = SystemFsOps().Read(fd_, offset_, buffer_, &count);
      buffer_.resize(error == 0 ? count : 0);
      buffer_start_ = offset_;
      if (error != 0) return IoError("read", error);
    }
    const std::size_t at = offset_ - buffer_start_;
    return std::string_view(reinterpret_cast<const char*>(buffer_.data()), buffer_.size())
        .substr(at, size);
  }

  // What was read may be half of a record that is whole when it is asked for again.
  std::optional<std::string_view> Nothing() {
    buffer_.clear();
    buffer_start_ = offset_;
    return std::nullopt;
  }

  int fd_;
  std::uint64_t offset_ = kMagic.size();
  std::uint64_t buffer_start_ = 0;  // Never above offset_.
  std::vector<std::uint8_t> buffer_;
};

enum class Head : std::uint8_t { kUnused, kJournal };

absl::StatusOr<Head> ReadHead(int fd) {
  std::array<std::uint8_t, kMagic.size()> bytes{};
  std::size_t count = 0;
  const int error = SystemFsOps().Read(fd, 0, bytes, &count);
  if (error != 0) return IoError("read", error);
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), count);
  if (head == kMagic) return Head::kJournal;
  if (kMagic.starts_with(head)) return Head::kUnused;
  if (head.substr(0, kVersionAt) == kMagic.substr(0, kVersionAt))
    return absl::DataLossError("apply journal: written by another version of this program");
  return absl::DataLossError("apply journal: the file is none");
}

// What makes a file a journal.
absl::Status BeginJournal(const std::string& path, int fd) {
  std::string parent = std::filesystem::path(path).parent_path().string();
  if (parent.empty()) parent = ".";
  const absl::StatusOr<UniqueFd> directory = OpenFile(parent, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  int error = SystemFsOps().Sync(directory->get());
  if (error == 0) error = WriteAt(fd, 0, kMagic);
  if (error == 0) error = SyncData(fd);
  return StatusOf("begin", error);
}

// Cuts off what is behind the last whole record; returns where that ends.
absl::StatusOr<std::uint64_t> CutTornTail(int fd) {
  Scanner scanner(fd);
  for (;;) {
    const auto body = scanner.Next();
    if (!body.ok()) return body.status();
    if (!*body) break;
  }
  FileStat stat;
  int error = SystemFsOps().Stat(fd, &stat);
  if (error == 0 && stat.size != scanner.offset()) {
    error = SystemFsOps().Truncate(fd, scanner.offset());
    // Durable before anything is appended: or old records might follow new ones after a crash.
    if (error == 0) error = SyncData(fd);
  }
  if (error != 0) return IoError("cut the torn end off", error);
  return scanner.offset();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ApplyJournal>> ApplyJournal::Open(const std::string& path) {
  absl::StatusOr<UniqueFd> fd = OpenFile(path, O_RDWR | O_CREAT);
  if (!fd.ok()) return fd.status();
  const absl::StatusOr<Head> head = ReadHead(fd->get());
  if (!head.ok()) return head.status();
  if (*head == Head::kUnused) {
    absl::Status begun = BeginJournal(path, fd->get());
    if (!begun.ok()) return begun;
  }
  const absl::StatusOr<std::uint64_t> size = CutTornTail(fd->get());
  if (!size.ok()) return size.status();
  return std::unique_ptr<ApplyJournal>(new ApplyJournal(*std::move(fd), *size));
}

ApplyJournal::ApplyJournal(UniqueFd fd, std::uint64_t size)
    : fd_(std::move(fd)), size_(size), synced_size_(size) {}

ApplyJournal::~ApplyJournal() = default;

absl::Status ApplyJournal::Append(const JournalRecord& record) {
  if (!broken_.ok()) return broken_;
  const std::string body = EncodeJournalRecord(record);
  if (body.size() > kMaxJournalRecordBytes)
    return absl::InvalidArgumentError("apply journal: the record is too large");
  const std::string framed = Framed(body);
  const int error = WriteAt(fd_.get(), size_, framed);
  if (error != 0) return Break("append", error);
  size_ += framed.size();
  return absl::OkStatus();
}

absl::Status ApplyJournal::Sync() {
  if (!broken_.ok()) return broken_;
  const int error = SyncData(fd_.get());
  if (error != 0) return Break("sync", error);
  synced_size_ = size_;
  return absl::OkStatus();
}

absl::Status ApplyJournal::Break(const char* operation, int error_number) {
  broken_ = IoError(operation, error_number);
  // After a failed sync the system takes what it could not write for written: whoever opened the
  // file next would find records that the disk does not have. Where they cannot be cut off, they
  // speak of changes that were not begun, or can be seen from the files.
  const int cut_error = SystemFsOps().Truncate(fd_.get(), synced_size_);
  if (cut_error != 0) {
    broken_ = absl::Status(broken_.code(),
                           absl::StrCat(broken_.message(), "; its end could not be cut off"));
  }
  return broken_;
}

struct ApplyJournal::Reader::Impl {
  explicit Impl(UniqueFd file) : fd(std::move(file)), scanner(fd.get()) {}

  UniqueFd fd;
  Scanner scanner;
};

ApplyJournal::Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApplyJournal::Reader::Reader(Reader&&) noexcept = default;
ApplyJournal::Reader& ApplyJournal::Reader::operator=(Reader&&) noexcept = default;
ApplyJournal::Reader::~Reader() = default;

absl::StatusOr<ApplyJournal::Reader> ApplyJournal::Reader::Open(const std::string& path) {
  absl::StatusOr<UniqueFd> fd = OpenFile(path, O_RDONLY);
  if (!fd.ok()) return fd.status();
  const absl::StatusOr<Head> head = ReadHead(fd->get());
  if (!head.ok()) return head.status();
  return Reader(std::make_unique<Impl>(*std::move(fd)));
}

absl::StatusOr<std::optional<JournalRecord>> ApplyJournal::Reader::Next() {
  const auto body = impl_->scanner.Next();
  if (!body.ok()) return body.status();
  if (!*body) return std::nullopt;
  std::optional<JournalRecord> record = DecodeJournalRecord(**body);
  // Its checksum is right: no crash has made it.
  if (!record) return absl::DataLossError("apply journal: a record is damaged");
  return record;
}

}  // namespace sluice
