#pragma once

#include "runtime/graph/graph.hpp"

#include <boost/json/object.hpp>
#include <span>
#include <string>
#include <vector>

namespace rowlock::runtime {

// The graph of all jobs (spec D1), from their current definitions' documents: an edge from each upstream to the job that depends on it, and from
// each job that makes a data set to each that reads it. Where a job says itself how it depends on an upstream, that counts.
struct job_graph {
    graph drawn;                                     // jobs in the order given
    std::vector<std::string> problems;               // upstreams that there are not
};
// Pure.
job_graph graph_of_jobs(std::span<const boost::json::object> definitions);

}
