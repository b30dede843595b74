#include "server/catalog/sqlite/spooled_candidates.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "pipeline/stages/known_content.h"
#include "server/catalog/sqlite/status.h"

namespace sluice {
namespace {

bool IsNameOf(const CandidateRow& row, const CandidateFile& candidate) {
  const FileStat& stat = candidate.file.stat;
  return row.key.inode == stat.inode && row.key.device == stat.device &&
         row.path() == candidate.file.path;
}

// What is known of one inode after the other, in their order.
class KnownVersions final {
 public:
  KnownVersions(KnownSpool::Cursor& cursor, std::uint64_t& place)
      : cursor_(cursor), place_(place) {}

  // What is known of this very version. REQUIRES: no inode before that of the last call.
  ContentKey Find(const CandidateRow& row, const FileStat& stat) {
    if (!at_ || at_->device != row.key.device || at_->inode != row.key.inode) GoTo(row.key);
    for (const KnownContent& version : versions_) {
      if (version.IsOf(stat)) return version.key;
    }
    return {};
  }

 private:
  // An inode that changes all the time can have been known in any number of versions. The newest
  // matter; of the others nothing is known, and they are read again.
  static constexpr std::size_t kMaxVersions = 16;

  // Leaves the cursor behind all of this inode, and the place before them.
  void GoTo(const CandidateRow::Key& key) {
    at_ = key;
    versions_.clear();
    place_ = cursor_.place();
    while (true) {
      const std::uint64_t here = cursor_.place();
      const KnownRow* known = cursor_.Next();
      const int order = known == nullptr ? 1 : CompareInode(known->content, key);
      if (order > 0) return cursor_.Seek(here);
      if (order < 0) {
        place_ = cursor_.place();
      } else if (versions_.size() < kMaxVersions) {
        versions_.push_back(known->content);
      }
    }
  }

  KnownSpool::Cursor& cursor_;
  std::uint64_t& place_;
  std::optional<CandidateRow::Key> at_;
  std::vector<KnownContent> versions_;  // Of the one that counts most first.
};

}  // namespace

void StretchTable::Append(const Stretch& stretch) {
  file_.Append(std::string_view(reinterpret_cast<const char*>(&stretch), sizeof stretch));
  ++count_;
}

void StretchTable::Finish(std::uint64_t end) {
  end_ = end;
  Append({.first = end});
  --count_;
  file_.Flush();
}

const StretchTable::Stretch& StretchTable::At(std::uint64_t index) {
  if (index < window_first_ || index - window_first_ >= window_.size()) {
    window_first_ = index;
    window_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, count_ + 1 - index)));
    const std::size_t bytes = window_.size() * sizeof(Stretch);
    if (file_.ReadAt(index * sizeof(Stretch), reinterpret_cast<char*>(window_.data()), bytes) !=
        bytes) {
      window_.clear();
      throw StatusError(absl::UnavailableError("temporary file: it ended too soon"));
    }
  }
  return window_[static_cast<std::size_t>(index - window_first_)];
}

std::uint64_t StretchTable::Find(std::uint64_t position) {
  std::uint64_t low = 0;
  for (std::uint64_t count = count_; count > 1;) {
    const std::uint64_t half = count / 2;
    if (At(low + half).first <= position) low += half;
    count -= half;
  }
  return low;
}

template <typename Spool>
typename Spool::Cursor& NearCursors<Spool>::At(std::uint64_t place) {
  auto entry =
      std::ranges::find_if(entries_, [&](const Entry& e) { return e.cursor.IsNear(place); });
  if (entry == entries_.end()) {
    if (entries_.size() < kCursors) {
      entry = entries_.insert(entries_.end(), Entry{.cursor = spool_.Read(kBufferBytes)});
    } else {
      entry = std::ranges::min_element(entries_, {}, &Entry::used);
    }
  }
  entry->used = ++uses_;
  entry->cursor.Seek(place);
  return entry->cursor;
}

SpooledCandidates::SpooledCandidates(std::unique_ptr<const CandidateSpool> files,
                                     std::unique_ptr<const KnownSpool> known,
                                     std::unique_ptr<StretchTable> table)
    : files_(std::move(files)),
      known_(std::move(known)),
      size_(table->end()),
      table_(std::move(table)),
      file_cursors_(*files_) {
  if (known_) known_cursors_.emplace(*known_);
  for (Walk& walk : walks_) walk.position = size_;  // Nobody's yet.
}

SpooledCandidates::~SpooledCandidates() = default;

absl::StatusOr<std::vector<CandidateFile>> SpooledCandidates::Read(std::uint64_t first,
                                                                   std::size_t limit) {
  return CatchSqlite([&]() -> absl::StatusOr<std::vector<CandidateFile>> {
    std::lock_guard lock(mutex_);
    return ReadLocked(first, limit);
  });
}

std::vector<CandidateFile> SpooledCandidates::ReadLocked(std::uint64_t first, std::size_t limit) {
  std::vector<CandidateFile> page;
  if (first >= size_) return page;
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(limit, size_ - first));
  page.reserve(count);
  Walk& walk = WalkAt(first);
  Walk next = walk;
  walk.position = size_;  // In case this one fails half-way.
  while (page.size() < count) {
    const std::uint64_t end = table_->At(next.stretch + 1).first;
    Take(next, std::min<std::uint64_t>(count - page.size(), end - next.position), page);
    if (next.position == end && end != size_) Enter(next, next.stretch + 1);
  }
  walk = next;
  return page;
}

SpooledCandidates::Walk& SpooledCandidates::WalkAt(std::uint64_t position) {
  auto walk = std::ranges::find(walks_, position, &Walk::position);
  if (walk == walks_.end()) {
    walk = std::ranges::min_element(walks_, {}, &Walk::used);
    Enter(*walk, table_->Find(position));
    std::vector<CandidateFile> passed;
    Take(*walk, position - walk->position, passed);
  }
  walk->used = ++reads_;
  return *walk;
}

void SpooledCandidates::Enter(Walk& walk, std::uint64_t stretch) {
  const StretchTable::Stretch& entered = table_->At(stretch);
  walk.position = entered.first;
  walk.stretch = stretch;
  walk.place = entered.place;
  walk.known_place = entered.known_place;
}

void SpooledCandidates::Take(Walk& walk, std::uint64_t count, std::vector<CandidateFile>& page) {
  if (count == 0) return;
  const std::uint64_t size_class = table_->At(walk.stretch).size_class;
  CandidateSpool::Cursor& cursor = file_cursors_.At(walk.place);
  std::optional<KnownVersions> known;
  if (known_cursors_) known.emplace(known_cursors_->At(walk.known_place), walk.known_place);
  const std::size_t end = page.size() + static_cast<std::size_t>(count);
  walk.position += count;
  for (const std::size_t begin = page.size();;) {
    walk.place = cursor.place();
    const CandidateRow* row = cursor.Next();
    if (row == nullptr) return;
    if (page.size() > begin && IsNameOf(*row, page.back())) continue;
    if (page.size() == end) return;
    CandidateFile& candidate = page.emplace_back(ToCandidate(*row, size_class));
    if (known) candidate.known = known->Find(*row, candidate.file.stat);
  }
}

}  // namespace sluice
