#include "server/catalog/sqlite/candidates.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <SQLiteCpp/Transaction.h>

#include "pipeline/async/status_error.h"
#include "server/catalog/sqlite/candidate_rows.h"
#include "server/catalog/sqlite/content_chunk.h"
#include "server/catalog/sqlite/content_log.h"
#include "server/catalog/sqlite/event_log.h"
#include "server/catalog/sqlite/rows.h"
#include "server/catalog/sqlite/spooled_candidates.h"

namespace sluice {
namespace {

constexpr std::size_t kSliceBytes = std::size_t{256} * 1024;
constexpr std::uint64_t kRowsBetweenStopChecks = 1024;

// Runs `fn(Connection&)` on a connection that sees one state of the store.
template <typename Fn>
auto ReadStore(ReaderPool& store, Fn fn) {
  ReaderPool::Lease reader(store);
  SQLite::Transaction snapshot(reader.connection().database());
  return fn(reader.connection());
}

std::vector<EventChunk> ReadSlice(ReaderPool& store, const EventRange& range) {
  return ReadStore(store, [&](Connection& connection) {
    std::vector<EventChunk> slice;
    EventCursor cursor(connection, range, EventChunk::kFileBit);
    for (std::size_t bytes = 0; bytes < kSliceBytes && cursor.NextChunk();) {
      bytes += slice.emplace_back(cursor.CopyChunk()).body.size();
    }
    return slice;
  });
}

// Takes the regular files of scans that are within the bounds.
class FileCollector final {
 public:
  FileCollector(ReaderPool& store, const CandidateQuery& query, const std::stop_token& stop,
                CandidateSpool& files)
      : store_(store), query_(query), stop_(stop), files_(files) {}

  // Of each scan the first half of its events (0), or the second (1).
  void CollectHalf(const CandidateSources& sources, std::uint64_t half) {
    for (std::size_t i = 0; i < sources.scans.size(); ++i) {
      const auto& [job, count] = sources.scans[i];
      Collect(static_cast<std::uint32_t>(i),
              {.job = job, .first = count * half / 2 + 1, .last = count * (half + 1) / 2});
    }
  }

 private:
  void Collect(std::uint32_t index, EventRange range) {
    while (range.first <= range.last) {
      const std::vector<EventChunk> slice = ReadSlice(store_, range);
      if (slice.empty()) return;
      for (const EventChunk& chunk : slice) CollectChunk(index, chunk, range);
      range.first = slice.back().first_sequence + slice.back().count;
    }
  }

  void CollectChunk(std::uint32_t index, const EventChunk& chunk, const EventRange& range) {
    ThrowIfStopRequested(stop_);
    EventChunkReader reader(chunk.first_sequence, chunk.count, chunk.body);
    while (reader.Next(event_) && event_.sequence <= range.last) {
      if (event_.sequence < range.first) continue;
      const auto* file = std::get_if<FileEntry>(&event_.event);
      if (file != nullptr && IsWanted(file->stat)) files_.Add(ToRow(*file, index));
    }
    if (reader.damaged()) ThrowDamaged("chunk of events");
  }
  bool IsWanted(const FileStat& stat) const {
    return stat.type == FileType::kRegular && stat.size >= query_.min_size &&
           stat.size <= query_.max_size.value_or(stat.size);
  }

  ReaderPool& store_;
  const CandidateQuery& query_;
  const std::stop_token& stop_;
  CandidateSpool& files_;
  EventRecord event_;  // Read over and over into the same memory.
};

// Takes what a job knows of versions that are old enough.
void CollectKnown(ReaderPool& store, const CandidateSources::Known& source, std::uint32_t index,
                  const std::stop_token& stop, KnownSpool& known) {
  KnownRow row{.job_index = index};
  const std::int64_t before = source.trusted_before_ns;
  for (std::uint64_t next = 0;;) {
    const ContentSlice slice = ReadStore(store, [&](Connection& connection) {
      return ReadContents(connection, source.job, next, kSliceBytes);
    });
    if (slice.chunks.empty()) return;
    next = slice.next;
    for (const std::string& chunk : slice.chunks) {
      ThrowIfStopRequested(stop);
      ContentChunkReader reader(chunk);
      while (reader.Next(row.content)) {
        const KnownContent& content = row.content;
        if (content.modify_time_ns < before && content.change_time_ns < before) known.Add(row);
      }
      if (reader.damaged()) ThrowDamaged("chunk of contents");
    }
  }
}

void CollectAllKnown(ReaderPool& store, const CandidateSources& sources,
                     const std::stop_token& stop, KnownSpool& known) {
  for (std::size_t i = 0; i < sources.known.size(); ++i) {
    CollectKnown(store, sources.known[i], static_cast<std::uint32_t>(i), stop, known);
  }
}

// The places in the sorted contents from which on something may be known, for rows in their order.
class KnownPlaces final {
 public:
  explicit KnownPlaces(const KnownSpool& known) : cursor_(known.Read()) {}

  // Of the first row of a class, or of any later one.
  std::uint64_t OfClass(const CandidateRow::Key& key) {
    // Scans that are told apart can have classes of the same size.
    if (size_ == key.size) cursor_.Seek(size_place_);
    size_ = key.size;
    size_place_ = Of({.size = key.size});
    return Of(key);
  }
  std::uint64_t Of(const CandidateRow::Key& key) {
    while (true) {
      const std::uint64_t here = cursor_.place();
      const KnownRow* known = cursor_.Next();
      if (known != nullptr && CompareInode(known->content, key) < 0) continue;
      cursor_.Seek(here);
      return here;
    }
  }

 private:
  KnownSpool::Cursor cursor_;
  std::optional<std::uint64_t> size_;
  std::uint64_t size_place_ = 0;
};

// A class as it is read name by name. However many names it has, there are at most kMaxStretches:
// beyond that they grow.
class ClassBuilder final {
 public:
  explicit ClassBuilder(const KnownSpool* known) {
    if (known != nullptr) known_.emplace(*known);
  }

  void Begin(const CandidateRow& row, std::uint64_t place) {
    key_ = row.key;
    names_ = 0;
    inodes_ = 0;
    names_each_ = kNames;
    stretches_.clear();
    AddStretch(place, known_ ? known_->OfClass(row.key) : 0);
  }
  void AddName(const CandidateRow& row, std::uint64_t place, bool new_inode) {
    if (names_ - stretches_.back().first_name == names_each_) {
      AddStretch(place, known_ ? known_->Of(row.key) : 0);
    }
    ++names_;
    if (new_inode) ++inodes_;
  }
  // Hands on the class, if it has two inodes.
  void End(StretchSpool& out) {
    if (inodes_ < 2) return;
    const absl::uint128 potential = absl::uint128(key_.size) * (inodes_ - 1);
    std::uint64_t end = names_;
    for (auto stretch = stretches_.rbegin(); stretch != stretches_.rend(); ++stretch) {
      stretch->potential = potential;
      stretch->names = end - stretch->first_name;
      end = stretch->first_name;
      out.Add(*stretch);
    }
  }

 private:
  static constexpr std::uint64_t kNames = 1024;
  static constexpr std::size_t kMaxStretches = 1024;

  void AddStretch(std::uint64_t place, std::uint64_t known_place) {
    if (stretches_.size() == kMaxStretches) {
      for (std::size_t i = 0; 2 * i < kMaxStretches; ++i) stretches_[i] = stretches_[2 * i];
      stretches_.resize(kMaxStretches / 2);
      names_each_ *= 2;
    }
    stretches_.push_back({.size = key_.size,
                          .scan_index = key_.scan_index,
                          .first_name = names_,
                          .place = place,
                          .known_place = known_place});
  }

  std::optional<KnownPlaces> known_;
  CandidateRow::Key key_;
  std::uint64_t names_ = 0;
  std::uint64_t inodes_ = 0;
  std::uint64_t names_each_ = kNames;
  std::vector<ClassStretch> stretches_;
};

// Finds the classes among rows that come in their order.
class ClassFinder final {
 public:
  ClassFinder(const CandidateOrder& order, const KnownSpool* known, StretchSpool& stretches)
      : order_(order), class_(known), stretches_(stretches) {}

  void Add(const CandidateRow& row, std::uint64_t place) {
    const bool new_class = !last_ || !order_.IsSameClass(*last_, row);
    if (new_class) {
      if (last_) class_.End(stretches_);
      class_.Begin(row, place);
    }
    if (new_class || !IsSameName(*last_, row)) {
      class_.AddName(row, place, new_class || !IsSameInode(*last_, row));
    }
    last_ = row;
  }
  void End() {
    if (last_) class_.End(stretches_);
  }

 private:
  const CandidateOrder& order_;
  ClassBuilder class_;
  StretchSpool& stretches_;
  std::optional<CandidateRow> last_;
};

std::unique_ptr<StretchTable> MakeTable(const StretchSpool& stretches, const std::string& directory,
                                        const std::stop_token& stop) {
  auto table = std::make_unique<StretchTable>(directory);
  std::uint64_t position = 0;
  std::uint64_t size_class = 0;
  auto cursor = stretches.Read();
  while (const ClassStretch* stretch = cursor.Next()) {
    if (stretch->first_name == 0 && ++size_class % kRowsBetweenStopChecks == 0) {
      ThrowIfStopRequested(stop);
    }
    table->Append({.first = position,
                   .size_class = size_class,
                   .place = stretch->place,
                   .known_place = stretch->known_place});
    position += stretch->names;
  }
  table->Finish(position);
  return table;
}

// Does all of it, on this thread and on one more while there is more than one thing left to do.
void DoOnTwoThreads(const std::vector<std::function<void()>>& works) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < works.size(); i = next++) works[i]();
  };
  // Both policies: where no thread is to be had, this one does it all. The future joins.
  std::future<void> beside = std::async(std::launch::async | std::launch::deferred, work);
  work();
  beside.get();
}

}  // namespace

std::unique_ptr<CandidateList> BuildCandidates(ReaderPool& store, const std::string& directory,
                                               const CandidateQuery& query,
                                               const CandidateSources& sources,
                                               const std::stop_token& stop) {
  const SpoolOptions options{
      .directory = directory, .budget_bytes = kCandidateSpoolBytes, .stop = stop};
  const SpoolOptions half{
      .directory = directory, .budget_bytes = kCandidateSpoolBytes / 2, .stop = stop};
  const CandidateOrder order{.within_scan = query.scope == CandidateQuery::Scope::kWithinScan};
  auto files = std::make_unique<CandidateSpool>(half, order);
  CandidateSpool other_files(half, order);
  auto known = std::make_unique<KnownSpool>(options);

  DoOnTwoThreads({[&] {
                    CollectAllKnown(store, sources, stop, *known);
                    known->Finish();
                  },
                  [&] { FileCollector(store, query, stop, *files).CollectHalf(sources, 0); },
                  [&] { FileCollector(store, query, stop, other_files).CollectHalf(sources, 1); }});
  files->Absorb(other_files);
  if (known->size() == 0) known.reset();

  StretchSpool stretches(options);
  ClassFinder classes(order, known.get(), stretches);
  files->FinishAndVisit(
      [&](const CandidateRow& row, std::uint64_t place) { classes.Add(row, place); });
  classes.End();
  stretches.Finish();
  return std::make_unique<SpooledCandidates>(std::move(files), std::move(known),
                                             MakeTable(stretches, directory, stop));
}

}  // namespace sluice
