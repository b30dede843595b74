// An exception that two threads hold is freed by the last of them. libstdc++, which Debian does not
// build with ThreadSanitizer, counts them by atomics that it cannot see, so that this looks like a
// race with what the other thread read before. The frames of the freeing are not always on the
// stack: hence the name of the reader, too, which touches nothing but exceptions.
extern "C" const char* __tsan_default_suppressions();  // NOLINT(readability-identifier-naming)
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n"
         "race:sluice::CurrentExceptionToStatus\n";
}
