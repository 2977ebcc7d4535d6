import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.jetbrains.org.objectweb.asm.AnnotationVisitor;
import org.jetbrains.org.objectweb.asm.ClassReader;
import org.jetbrains.org.objectweb.asm.ClassVisitor;
import org.jetbrains.org.objectweb.asm.FieldVisitor;
import org.jetbrains.org.objectweb.asm.Handle;
import org.jetbrains.org.objectweb.asm.Label;
import org.jetbrains.org.objectweb.asm.MethodVisitor;
import org.jetbrains.org.objectweb.asm.Opcodes;
import org.jetbrains.org.objectweb.asm.Type;

/**
 * Prints what class files declare and what their code refers to, one fact a line, tab-separated:
 *
 * <pre>
 * class   NAME ACCESS SUPER INTERFACE,...
 * field   OWNER ACCESS NAME DESCRIPTOR CONSTANT
 * method  OWNER ACCESS NAME DESCRIPTOR NULLABILITY
 * refers  OWNER METHOD KIND CLASS NAME DESCRIPTOR
 * </pre>
 *
 * In `refers`, METHOD is - for the class itself, KIND is class, field or method.
 * NULLABILITY has a character for the result and one for each parameter: ? @Nullable, ! @NotNull,
 * . neither. Arguments: folders and jars of classes; with --signatures first, no `refers`.
 */
final class ClassFacts {
    private static final int API = Opcodes.ASM9;
    private final TreeSet<String> facts = new TreeSet<>();
    private boolean code = true;

    public static void main(String[] arguments) throws IOException {
        ClassFacts facts = new ClassFacts();
        List<String> places = Arrays.asList(arguments);
        if (places.get(0).equals("--signatures")) {
            facts.code = false;
            places = places.subList(1, places.size());
        }
        for (String place : places) {
            facts.read(Path.of(place));
        }
        facts.facts.forEach(System.out::println);
    }

    private void read(Path place) throws IOException {
        if (Files.isDirectory(place)) {
            for (Path file : below(place)) {
                accept(Files.readAllBytes(file));
            }
            return;
        }
        try (ZipFile jar = new ZipFile(place.toFile())) {
            for (var entry : jar.stream().collect(Collectors.toList())) {
                if (entry.getName().endsWith(".class")) {
                    try (InputStream bytes = jar.getInputStream(entry)) {
                        accept(bytes.readAllBytes());
                    }
                }
            }
        }
    }

    static List<Path> below(Path folder) throws IOException {
        try (Stream<Path> walk = Files.walk(folder)) {
            return walk.filter(each -> each.toString().endsWith(".class"))
                .collect(Collectors.toList());
        }
    }

    private void accept(byte[] bytes) {
        new ClassReader(bytes).accept(new Reader(), code ? 0 : ClassReader.SKIP_CODE);
    }

    private void fact(Object... words) {
        facts.add(Arrays.stream(words).map(String::valueOf).collect(Collectors.joining("\t")));
    }

    private final class Reader extends ClassVisitor {
        private String owner;

        Reader() {
            super(API);
        }

        @Override
        public void visit(
            int version, int access, String name, String signature, String parent,
            String[] interfaces) {
            owner = name;
            fact("class", name, access, parent, String.join(",", interfaces));
            refersToClass("-", parent);
            Arrays.stream(interfaces).forEach(each -> refersToClass("-", each));
        }

        @Override
        public FieldVisitor visitField(
            int access, String name, String descriptor, String signature, Object value) {
            fact("field", owner, access, name, descriptor, value);
            refersToType("-", Type.getType(descriptor));
            return null;
        }

        @Override
        public MethodVisitor visitMethod(
            int access, String name, String descriptor, String signature, String[] exceptions) {
            refersToType(name + descriptor, Type.getMethodType(descriptor));
            return new Body(access, name, descriptor);
        }

        private void refersToClass(String method, String name) {
            if (name != null) {
                refersToType(method, Type.getObjectType(name));
            }
        }

        private void refersToType(String method, Type type) {
            if (!code) {
                return;
            }
            switch (type.getSort()) {
                case Type.METHOD:
                    refersToType(method, type.getReturnType());
                    Arrays.stream(type.getArgumentTypes())
                        .forEach(each -> refersToType(method, each));
                    break;
                case Type.ARRAY:
                    refersToType(method, type.getElementType());
                    break;
                case Type.OBJECT:
                    fact("refers", owner, method, "class", type.getInternalName(), "-", "-");
                    break;
                default:
            }
        }

        private final class Body extends MethodVisitor {
            private final int access;
            private final String name;
            private final String descriptor;
            private final String here;
            private final char[] nullability;

            Body(int access, String name, String descriptor) {
                super(API);
                this.access = access;
                this.name = name;
                this.descriptor = descriptor;
                here = name + descriptor;
                nullability = new char[1 + Type.getArgumentTypes(descriptor).length];
                Arrays.fill(nullability, '.');
            }

            @Override
            public AnnotationVisitor visitAnnotation(String annotation, boolean visible) {
                markNullability(0, annotation);
                return null;
            }

            @Override
            public AnnotationVisitor visitParameterAnnotation(
                int parameter, String annotation, boolean visible) {
                markNullability(1 + parameter, annotation);
                return null;
            }

            private void markNullability(int place, String annotation) {
                if (annotation.endsWith("/Nullable;")) {
                    nullability[place] = '?';
                } else if (annotation.endsWith("/NotNull;") || annotation.endsWith("/NonNull;")) {
                    nullability[place] = '!';
                }
            }

            @Override
            public void visitEnd() {
                fact("method", owner, access, name, descriptor, new String(nullability));
            }

            @Override
            public void visitTypeInsn(int opcode, String type) {
                refersToClass(here, type);
            }

            @Override
            public void visitTryCatchBlock(Label start, Label end, Label handler, String type) {
                refersToClass(here, type);
            }

            @Override
            public void visitFieldInsn(int opcode, String of, String field, String type) {
                refers("field", of, field, type);
            }

            @Override
            public void visitMethodInsn(
                int opcode, String of, String method, String type, boolean isInterface) {
                refers("method", of, method, type);
            }

            @Override
            public void visitInvokeDynamicInsn(
                String method, String type, Handle bootstrap, Object... arguments) {
                refersToType(here, Type.getMethodType(type));
                Arrays.stream(arguments).forEach(this::visitLdcInsn);
            }

            @Override
            public void visitLdcInsn(Object value) {
                if (value instanceof Type) {
                    refersToType(here, (Type) value);
                } else if (value instanceof Handle) {
                    Handle handle = (Handle) value;
                    boolean field = !handle.getDesc().startsWith("(");
                    refers(
                        field ? "field" : "method", handle.getOwner(), handle.getName(),
                        handle.getDesc());
                }
            }

            private void refers(String kind, String of, String member, String type) {
                if (of.startsWith("[")) {
                    refersToClass(here, of);
                    return;
                }
                fact("refers", owner, here, kind, of, member, type);
                refersToClass(here, of);
                refersToType(here, Type.getType(type));
            }
        }
    }
}
