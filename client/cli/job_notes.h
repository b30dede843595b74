#ifndef SLUICE_CLIENT_CLI_JOB_NOTES_H_
#define SLUICE_CLIENT_CLI_JOB_NOTES_H_

#include <utility>

#include "client/cli/command.h"
#include "sluice/v1/job.pb.h"

namespace sluice::cli {

// Tells whoever waits for a job, on standard error, why nothing moves, so that the command does not
// look hung: the connection is lost, the job is paused.
// Not thread-safe. Lifetime: stays where it is as long as a call has its options.
class JobNotes final {
 public:
  explicit JobNotes(Session session) : session_(std::move(session)) {}
  JobNotes(const JobNotes&) = delete;
  JobNotes& operator=(const JobNotes&) = delete;

  // The session's; a call with them tells of lost connections.
  CallOptions call_options();

  // The server was heard: if it was lost, it is there again.
  void OnAnswer();

  // Says once, each time that the job is found paused, why that is, and how it goes on.
  // Errors: FAILED_PRECONDITION where the server is our own: nobody else could resume the job.
  void See(const v1::Job& job);

 private:
  const Session session_;
  bool lost_ = false;
  bool paused_ = false;
};

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_JOB_NOTES_H_
