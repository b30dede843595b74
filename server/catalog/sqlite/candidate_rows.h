#ifndef SLUICE_SERVER_CATALOG_SQLITE_CANDIDATE_ROWS_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CANDIDATE_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/numeric/int128.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/sorted_spool.h"
#include "pipeline/stages/candidate_list.h"
#include "pipeline/stages/known_content.h"

// What the list of candidates sorts, and in which order.
namespace sluice {

// A recorded file. What the order looks at stands apart; the rest stays encoded on its way.
struct CandidateRow {
  struct Key {
    std::uint64_t size = 0;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t change_time_ns = 0;
    std::uint32_t scan_index = 0;
    std::uint32_t path_bytes = 0;
  };
  Key key;
  std::string rest;  // The path, a byte that says what follows, and what is not in the key.

  std::string_view path() const { return std::string_view(rest).substr(0, key.path_bytes); }
  bool has_digest() const { return rest[key.path_bytes] != 0; }
};

CandidateRow ToRow(const FileEntry& file, std::uint32_t scan_index);
CandidateFile ToCandidate(const CandidateRow& row, std::uint64_t size_class);

bool IsSameInode(const CandidateRow& a, const CandidateRow& b);
inline bool IsSameName(const CandidateRow& a, const CandidateRow& b) {
  return IsSameInode(a, b) && a.path() == b.path();
}

// By class (sizes from the largest down, as those tend to come first in the list, too), inode,
// path. Of the records of one name, the first is the one to keep.
struct CandidateOrder {
  bool within_scan = false;  // Classes of one scan are told apart from those of another.

  bool IsSameClass(const CandidateRow& a, const CandidateRow& b) const {
    return a.key.size == b.key.size && (!within_scan || a.key.scan_index == b.key.scan_index);
  }
  bool operator()(const CandidateRow& a, const CandidateRow& b) const;
};

// What a job has found out, by size and inode like candidates; then version; of several jobs that
// know one version, the one that counts comes first.
struct KnownRow {
  KnownContent content;
  std::uint32_t job_index = 0;
};
struct KnownOrder {
  bool operator()(const KnownRow& a, const KnownRow& b) const;
};
// Below 0, 0, above 0: the content comes before, with, after the candidates of this inode.
int CompareInode(const KnownContent& content, const CandidateRow::Key& key);

// A class, or a part of one: classes of very many names are divided, so that a position inside of
// them is found without reading all before it.
struct ClassStretch {
  absl::uint128 potential = 0;  // Bytes that the class could give back at most.
  std::uint64_t size = 0;
  std::uint32_t scan_index = 0;
  std::uint64_t first_name = 0;  // Within the class.
  std::uint64_t names = 0;
  std::uint64_t place = 0;        // Of its first name among the sorted rows ...
  std::uint64_t known_place = 0;  // ... and of what may be known of it.
};
struct StretchOrder {
  bool operator()(const ClassStretch& a, const ClassStretch& b) const;
};

template <>
struct SpoolCodec<CandidateRow> {
  static void Encode(const CandidateRow& row, std::string* out);
  static CandidateRow Decode(std::string_view* in);
  static void DecodeInto(std::string_view* in, CandidateRow& row);
  static std::size_t SizeInMemory(const CandidateRow& row) {
    return sizeof row + row.rest.capacity();
  }
};

template <>
struct SpoolCodec<KnownRow> {
  static void Encode(const KnownRow& row, std::string* out);
  static KnownRow Decode(std::string_view* in);
  static std::size_t SizeInMemory(const KnownRow& row) { return sizeof row; }
};

template <>
struct SpoolCodec<ClassStretch> {
  static void Encode(const ClassStretch& stretch, std::string* out) { AppendValue(stretch, out); }
  static ClassStretch Decode(std::string_view* in) { return TakeValue<ClassStretch>(in); }
  static std::size_t SizeInMemory(const ClassStretch& stretch) { return sizeof stretch; }
};

using CandidateSpool = SortedSpool<CandidateRow, CandidateOrder>;
using KnownSpool = SortedSpool<KnownRow, KnownOrder>;
using StretchSpool = SortedSpool<ClassStretch, StretchOrder>;

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CANDIDATE_ROWS_H_
