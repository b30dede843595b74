#include "server/catalog/sqlite/candidate_rows.h"

#include <array>
#include <cassert>
#include <span>
#include <tuple>
#include <utility>

#include "pipeline/fs/compact_bytes.h"
#include "server/catalog/sqlite/content_chunk.h"

namespace sluice {
namespace {

constexpr std::size_t kMaxTailBytes = 1 + 6 * kMaxVarintBytes + kMaxDigestBytes;

}  // namespace

CandidateRow ToRow(const FileEntry& file, std::uint32_t scan_index) {
  const FileStat& stat = file.stat;
  assert(stat.type == FileType::kRegular);
  std::array<char, kMaxTailBytes> tail;
  tail[0] = file.digest ? 1 : 0;
  char* end = PutVarint(stat.allocated_bytes, &tail[1]);
  end = PutDelta(stat.modify_time_ns, stat.change_time_ns, end);
  end = PutVarint(stat.link_count, end);
  end = PutVarint(stat.mode, end);
  end = PutVarint(stat.uid, end);
  end = PutVarint(stat.gid, end);
  if (file.digest) end = PutDigest(*file.digest, end);

  CandidateRow row{.key = {.size = stat.size,
                           .device = stat.device,
                           .inode = stat.inode,
                           .change_time_ns = stat.change_time_ns,
                           .scan_index = scan_index,
                           .path_bytes = static_cast<std::uint32_t>(file.path.size())},
                   .rest = {}};
  row.rest.reserve(file.path.size() + static_cast<std::size_t>(end - tail.data()));
  row.rest.append(file.path).append(tail.data(), end);
  return row;
}

CandidateFile ToCandidate(const CandidateRow& row, std::uint64_t size_class) {
  CandidateFile candidate;
  candidate.scan_index = row.key.scan_index;
  candidate.size_class = size_class;
  candidate.file.path = row.path();
  FileStat& stat = candidate.file.stat;
  stat.size = row.key.size;
  stat.device = row.key.device;
  stat.inode = row.key.inode;
  stat.change_time_ns = row.key.change_time_ns;
  ByteTaker tail(std::string_view(row.rest).substr(row.key.path_bytes + 1));
  stat.allocated_bytes = tail.Varint();
  stat.modify_time_ns = tail.Delta(stat.change_time_ns);
  stat.link_count = tail.Varint32();
  stat.mode = tail.Varint32();
  stat.uid = tail.Varint32();
  stat.gid = tail.Varint32();
  if (row.has_digest()) candidate.file.digest = tail.TakeDigest();
  assert(!tail.failed() && tail.empty());
  return candidate;
}

bool IsSameInode(const CandidateRow& a, const CandidateRow& b) {
  return a.key.inode == b.key.inode && a.key.device == b.key.device;
}

bool CandidateOrder::operator()(const CandidateRow& a, const CandidateRow& b) const {
  const CandidateRow::Key& x = a.key;
  const CandidateRow::Key& y = b.key;
  if (x.size != y.size) return x.size > y.size;
  if (within_scan && x.scan_index != y.scan_index) return x.scan_index < y.scan_index;
  if (x.device != y.device) return x.device < y.device;
  if (x.inode != y.inode) return x.inode < y.inode;
  if (const int paths = a.path().compare(b.path()); paths != 0) return paths < 0;
  if (x.change_time_ns != y.change_time_ns) return x.change_time_ns > y.change_time_ns;
  if (a.has_digest() != b.has_digest()) return a.has_digest();
  return x.scan_index < y.scan_index;
}

bool KnownOrder::operator()(const KnownRow& a, const KnownRow& b) const {
  const KnownContent& x = a.content;
  const KnownContent& y = b.content;
  return std::tie(y.size, x.device, x.inode, y.change_time_ns, y.modify_time_ns, b.job_index) <
         std::tie(x.size, y.device, y.inode, x.change_time_ns, x.modify_time_ns, a.job_index);
}

int CompareInode(const KnownContent& content, const CandidateRow::Key& key) {
  const auto order = std::tie(key.size, content.device, content.inode) <=>
                     std::tie(content.size, key.device, key.inode);
  return order < 0 ? -1 : (order > 0 ? 1 : 0);
}

bool StretchOrder::operator()(const ClassStretch& a, const ClassStretch& b) const {
  if (a.potential != b.potential) return a.potential > b.potential;
  return std::tie(b.size, a.scan_index, a.first_name) <
         std::tie(a.size, b.scan_index, b.first_name);
}

void SpoolCodec<CandidateRow>::Encode(const CandidateRow& row, std::string* out) {
  AppendValue(row.key, out);
  out->append(row.rest);
}

CandidateRow SpoolCodec<CandidateRow>::Decode(std::string_view* in) {
  CandidateRow row;
  DecodeInto(in, row);
  return row;
}

void SpoolCodec<CandidateRow>::DecodeInto(std::string_view* in, CandidateRow& row) {
  row.key = TakeValue<CandidateRow::Key>(in);
  row.rest = std::exchange(*in, {});
}

void SpoolCodec<KnownRow>::Encode(const KnownRow& row, std::string* out) {
  AppendValue(row.job_index, out);
  AppendContents(std::span(&row.content, 1), *out);
}

KnownRow SpoolCodec<KnownRow>::Decode(std::string_view* in) {
  KnownRow row{.job_index = TakeValue<std::uint32_t>(in)};
  ContentChunkReader reader(std::exchange(*in, {}));
  [[maybe_unused]] const bool taken = reader.Next(row.content);
  assert(taken);
  return row;
}

}  // namespace sluice
