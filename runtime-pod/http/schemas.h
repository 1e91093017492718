// Pieces of JSON Schema, for the tables of routes.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "core/json.h"

namespace oa::runtime::openapi {

OrderedJson reference(std::string_view schema);  // to one of the document; empty: anything
OrderedJson text();
OrderedJson integer();
OrderedJson number();
OrderedJson boolean();
OrderedJson time();
OrderedJson object(OrderedJson properties);
OrderedJson list_of(OrderedJson item);  // {"items", "cursor"}

}  // namespace oa::runtime::openapi
