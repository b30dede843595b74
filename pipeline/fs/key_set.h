#ifndef SLUICE_PIPELINE_FS_KEY_SET_H_
#define SLUICE_PIPELINE_FS_KEY_SET_H_

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

#include "pipeline/async/executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/key_map.h"

namespace sluice {

using SetKey = MapKey;

// A set of any number of keys in constant memory: a KeyMap without values, with all its properties.
//
//   KeySet::Builder builder("/var/tmp");
//   builder.Add(key);
//   const KeySet set = co_await builder.Finish(executor);
//   if (set.Contains(key)) ...
class KeySet final {
  struct Nothing {};
  using Map = KeyMap<Nothing>;

 public:
  static constexpr std::size_t kMaxInMemory = Map::kMaxInMemory;
  static constexpr std::size_t kBlockKeys = Map::kBlockKeys;

  class Builder;

  // The empty set.
  KeySet() = default;

  bool Contains(const SetKey& key) const { return map_.Find(key).has_value(); }
  std::uint64_t size() const { return map_.size(); }

 private:
  explicit KeySet(Map map) : map_(std::move(map)) {}

  Map map_;
};

// As KeyMap::Builder.
class KeySet::Builder final {
 public:
  explicit Builder(std::string directory, std::stop_token stop = {})
      : map_(std::move(directory), std::move(stop)) {}

  void Add(const SetKey& key) { map_.Add(key, {}); }
  Task<> Merge(Executor& executor) { return map_.Merge(executor); }
  // REQUIRES: called once.
  Task<KeySet> Finish(Executor& executor) { co_return KeySet(co_await map_.Finish(executor)); }

 private:
  Map::Builder map_;
};

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_KEY_SET_H_
