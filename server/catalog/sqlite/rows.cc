#include "server/catalog/sqlite/rows.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <string_view>

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

namespace sluice {
namespace {

[[noreturn]] void ThrowDamaged(const char* what) {
  throw SQLite::Exception(std::string("damaged row: ") + what, SQLITE_CORRUPT);
}

FileType ReadFileType(std::int64_t value) {
  if (value < 0 || value > static_cast<std::int64_t>(FileType::kBlockDevice)) {
    ThrowDamaged("file type");
  }
  return static_cast<FileType>(value);
}

Digest ReadDigest(std::string_view bytes) {
  Digest digest;
  const auto algorithm = static_cast<std::uint8_t>(bytes.empty() ? 0xff : bytes.front());
  if (algorithm > static_cast<std::uint8_t>(DigestAlgorithm::kXxh3_128)) {
    ThrowDamaged("digest algorithm");
  }
  digest.algorithm = static_cast<DigestAlgorithm>(algorithm);
  bytes.remove_prefix(1);
  if (bytes.size() != DigestSize(digest.algorithm)) ThrowDamaged("digest size");
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

}  // namespace

std::int64_t EventKey(std::int64_t job, std::uint64_t sequence) {
  assert(job >= 0 && job <= kMaxJobNumber);
  return (job << kSequenceBits) | static_cast<std::int64_t>(std::min(sequence, kMaxSequence));
}

std::uint64_t SequenceOfKey(std::int64_t key) {
  return static_cast<std::uint64_t>(key) & kMaxSequence;
}

void BindDigest(Query& query, const std::optional<Digest>& digest) {
  if (!digest) {
    query.BindNull();
    return;
  }
  std::string bytes(1, static_cast<char>(digest->algorithm));
  bytes.append(digest->bytes.begin(), digest->bytes.begin() + DigestSize(digest->algorithm));
  query.BindCopyOfBytes(bytes);
}

void BindFile(Query& query, const FileEntry& file) {
  const FileStat& stat = file.stat;
  query.Bind(static_cast<std::int64_t>(stat.type))
      .BindUnsigned(stat.size)
      .BindUnsigned(stat.allocated_bytes)
      .Bind(stat.modify_time_ns)
      .Bind(stat.change_time_ns)
      .BindUnsigned(stat.device)
      .BindUnsigned(stat.inode)
      .Bind(stat.link_count)
      .Bind(stat.mode)
      .Bind(stat.uid)
      .Bind(stat.gid);
  BindDigest(query, file.digest);
  query.BindBytes(file.path);
}

FileEntry ReadFile(const Query& query, int first_column) {
  int column = first_column;
  FileEntry file;
  file.stat.type = ReadFileType(query.Integer(column++));
  file.stat.size = query.Unsigned(column++);
  file.stat.allocated_bytes = query.Unsigned(column++);
  file.stat.modify_time_ns = query.Integer(column++);
  file.stat.change_time_ns = query.Integer(column++);
  file.stat.device = query.Unsigned(column++);
  file.stat.inode = query.Unsigned(column++);
  file.stat.link_count = static_cast<std::uint32_t>(query.Integer(column++));
  file.stat.mode = static_cast<std::uint32_t>(query.Integer(column++));
  file.stat.uid = static_cast<std::uint32_t>(query.Integer(column++));
  file.stat.gid = static_cast<std::uint32_t>(query.Integer(column++));
  if (!query.IsNull(column)) file.digest = ReadDigest(query.Bytes(column));
  file.path = query.Bytes(++column);
  return file;
}

}  // namespace sluice
