#ifndef SLUICE_SERVER_JOBS_CONVERT_PLAN_H_
#define SLUICE_SERVER_JOBS_CONVERT_PLAN_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/stages/keep_rules.h"
#include "pipeline/stages/plan.h"
#include "sluice/v1/plan.pb.h"

// Plans as messages, and back.
namespace sluice {

// What a plan's message needs to know of the job it belongs to.
struct PlanNames {
  std::string job_id;
  std::vector<std::string> scans;  // "scans/{id}", by PlanCopy::scan_index.
  std::string host;
};

// A serialized v1::ReconciliationPlan. Equal plans have equal bytes.
std::string PlanBytes(const Plan& plan, const PlanNames& names);
v1::Action ToProto(Action action);

// Of a message that PlanBytes has made. Which scan recorded a copy is not among it: scan_index is
// 0. nullopt for a message that it cannot have made.
std::optional<Plan> FromProto(const v1::ReconciliationPlan& message);

// nullopt for a value that the contract does not know; UNSPECIFIED gives the default.
std::optional<Action> FromProto(v1::Action action);
std::optional<KeepRule::Criterion> FromProto(v1::KeepRule::Criterion criterion);

// The id of the job in "plans/{id}"; nullopt for what is not the name of a plan.
std::optional<std::string> JobIdOfPlan(std::string_view name);
// Of a serialized ReconciliationPlan, without parsing all of it; empty where it cannot be read.
std::string NameOfPlan(const std::string& plan_bytes);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_CONVERT_PLAN_H_
