#ifndef SLUICE_TESTS_UNIT_FS_ORDINARY_USER_H_
#define SLUICE_TESTS_UNIT_FS_ORDINARY_USER_H_

#include <sys/fsuid.h>
#include <unistd.h>

namespace sluice {

// While it lives, this thread meets permissions as a user who owns nothing would, also when the
// tests run as root. Other threads do not notice.
class AsOrdinaryUser final {
 public:
  AsOrdinaryUser() { ::setfsuid(::geteuid() == 0 ? kNobody : ::geteuid()); }
  AsOrdinaryUser(const AsOrdinaryUser&) = delete;
  AsOrdinaryUser& operator=(const AsOrdinaryUser&) = delete;
  ~AsOrdinaryUser() { ::setfsuid(::geteuid()); }

 private:
  static constexpr uid_t kNobody = 65534;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_FS_ORDINARY_USER_H_
